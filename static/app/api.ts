import type { Static } from '@sinclair/typebox';
import type { Blocks, Contacts } from '../../schemas/contact.js';
import type { Conversation, Conversations } from '../../schemas/conversation.js';
import type { Channels, GroupChange, MemberReceipts, Members, NewGroup, Role } from '../../schemas/group.js';
import type { History } from '../../schemas/message.js';
import type { Found } from '../../schemas/search.js';
import type { MeChange, SettingsChange } from '../../schemas/settings.js';
import type {
  Door,
  Me,
  Named,
  Notice,
  Profile,
  Registered,
  SignedIn as SignedInSchema,
  Users,
} from '../../schemas/user.js';
import { deviceName } from './device.js';

export type SignedIn = Static<typeof SignedInSchema>;

export class ApiError extends Error {
  readonly code: string;
  /** Milliseconds that the server asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The stable name of what went wrong. */
export const codeOf = (error: unknown): string => (error instanceof ApiError ? error.code : 'other');

/** Somebody whom one may not know yet is named by their whole name, too. */
const naming = (name: string | undefined) =>
  name ? `?${new URLSearchParams({ username: name.slice(0, 256) })}` : '';

const paged = (after: number, limit: number) => `limit=${limit}${after > 0 ? `&after=${after}` : ''}`;

interface Call<T = unknown> {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  body?: object;
  token?: string;
  /** Whether the device's cookie goes along and may be changed. */
  cookie?: boolean;
  /** Of a file, which may take its time. */
  read?: (answer: Response) => Promise<T>;
  language?: string;
  signal?: AbortSignal;
}

const answerWithin = 20_000;
const fileWithin = 600_000;

async function call<T>(
  path: string,
  { method = 'GET', body, token, cookie = false, read, language, signal }: Call<T>,
): Promise<T> {
  const headers = new Headers();
  if (body) headers.set('content-type', 'application/json');
  if (language) headers.set('accept-language', language);
  if (token) headers.set('authorization', `Bearer ${token}`);
  const end = new AbortController();
  const stop = () => end.abort();
  const timer = setTimeout(stop, read ? fileWithin : answerWithin);
  signal?.addEventListener('abort', stop);
  try {
    const answer = await fetch(path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      signal: end.signal,
      cache: 'no-store',
      credentials: cookie ? 'same-origin' : 'omit',
    });
    if (answer.ok && read) return await read(answer);
    // What is no JSON comes from something between; of what should be, half is as good as nothing.
    const envelope = await answer.json().catch((error: unknown) => {
      if (answer.ok) throw error;
      return {};
    });
    if (answer.ok) return envelope.data;
    throw new ApiError(
      typeof envelope.error === 'string' ? envelope.error : 'internal',
      typeof envelope.message === 'string' ? envelope.message : answer.statusText,
      typeof envelope.retry_after_ms === 'number' ? envelope.retry_after_ms : undefined,
    );
  } catch (error) {
    throw error instanceof ApiError || signal?.aborted ? error : new ApiError('network', 'no answer');
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

export interface Credentials {
  username: string;
  password: string;
}

/** @param body with the code of an invite, where one was given */
export const register = (body: Credentials & { invite?: string | undefined }) =>
  call<Static<typeof Registered>>('/register', { method: 'POST', body });
/** What the server says before anybody is signed in. */
export const askDoor = () => call<Static<typeof Door>>('/api/door', {});
/** What the operator has on every page. */
export const askNotice = () => call<Static<typeof Notice>>('/api/notice', {});
export const resetPassword = (code: string, new_password: string) =>
  call<Static<typeof Named>>('/api/reset', { method: 'POST', body: { code, new_password } });
/** @param stays whether the device is one's own, so that it stays signed in */
export const login = (body: Credentials & { code?: string }, stays: boolean) =>
  call<SignedIn>('/login', {
    method: 'POST',
    body: { ...body, stay_signed_in: stays, device: deviceName(navigator.userAgent) },
    cookie: true,
  });

/**
 * A token for the cookie of this device.
 * @throws ApiError `unauthorized` where it has none that is valid
 */
export async function exchange(): Promise<SignedIn> {
  try {
    return await call<SignedIn>('/api/exchange', { method: 'POST', cookie: true });
  } catch (error) {
    if (error instanceof ApiError && error.code === 'missing_token')
      throw new ApiError('unauthorized', error.message);
    throw error;
  }
}

/** Ends the session of this device. */
export const logout = (token: string) => call<object>('/api/logout', { method: 'POST', token, cookie: true });

export type Api = ReturnType<typeof createApi>;

const isRefusal = (error: unknown) => error instanceof ApiError && error.code === 'unauthorized';

/**
 * What needs a token.
 * @param tokenOf the token; another one where this one was refused
 * @param onRefused told that none is to be had any more, whoever met it
 */
export function createApi(tokenOf: (refused?: string) => Promise<string>, onRefused: () => void) {
  async function authorized<T>(path: string, options: Call<T> = {}): Promise<T> {
    try {
      const token = await tokenOf();
      try {
        return await call<T>(path, { ...options, token });
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return await call<T>(path, { ...options, token: await tokenOf(token) });
      }
    } catch (error) {
      if (isRefusal(error)) onRefused();
      throw error;
    }
  }
  return {
    /** Anything else, with the token. */
    ask: authorized,
    me: () => authorized<Static<typeof Me>>('/api/me'),
    user: (id: number, name?: string) => authorized<Profile>(`/api/users/${id}${naming(name)}`),
    find: (query: string, signal: AbortSignal) =>
      authorized<Static<typeof Users>>(`/api/users?${new URLSearchParams({ query, limit: '20' })}`, {
        signal,
      }),
    /** By name, after somebody. */
    everybody: (after: number | null, limit: number) =>
      authorized<Static<typeof Users>>(`/api/users?limit=${limit}${after === null ? '' : `&after=${after}`}`),
    conversations: (cursor: number | null) =>
      authorized<Static<typeof Conversations>>(
        `/api/conversations?limit=100&hidden=true${cursor ? `&cursor=${cursor}` : ''}`,
      ),
    after: (conversation: number, seq: number, limit: number) =>
      authorized<Static<typeof History>>(
        `/api/conversations/${conversation}/messages?after=${seq}&limit=${limit}`,
      ),
    before: (conversation: number, seq: number, limit: number) =>
      authorized<Static<typeof History>>(
        `/api/conversations/${conversation}/messages?before=${seq}&limit=${limit}`,
      ),
    pinned: () =>
      authorized<Static<typeof Conversations>>('/api/conversations?limit=100&pinned=true&hidden=true'),
    set: (id: number, body: SettingsChange) =>
      authorized<Conversation>(`/api/conversations/${id}/settings`, { method: 'PATCH', body }),
    setMe: (body: Static<typeof MeChange>) =>
      authorized<Static<typeof Me>>('/api/me', { method: 'PATCH', body }),
    conversation: (id: number) => authorized<Conversation>(`/api/conversations/${id}`),
    makeGroup: (body: NewGroup) => authorized<Conversation>('/api/conversations', { method: 'POST', body }),
    changeGroup: (id: number, body: GroupChange) =>
      authorized<object>(`/api/conversations/${id}`, { method: 'PATCH', body }),
    /** By number, after somebody; 0 for the first page. */
    members: (id: number, after: number, limit: number) =>
      authorized<Static<typeof Members>>(`/api/conversations/${id}/members?${paged(after, limit)}`),
    addMembers: (id: number, user_ids: number[]) =>
      authorized<object>(`/api/conversations/${id}/members`, { method: 'POST', body: { user_ids } }),
    setRole: (id: number, user: number, role: Role) =>
      authorized<object>(`/api/conversations/${id}/members/${user}`, { method: 'PUT', body: { role } }),
    /** Oneself to leave. */
    removeMember: (id: number, user: number) =>
      authorized<object>(`/api/conversations/${id}/members/${user}`, { method: 'DELETE' }),
    join: (id: number) => authorized<object>(`/api/conversations/${id}/join`, { method: 'POST' }),
    receipts: (id: number, after: number) =>
      authorized<Static<typeof MemberReceipts>>(`/api/conversations/${id}/receipts?${paged(after, 100)}`),
    channels: (search: string, after: number, limit: number) =>
      authorized<Static<typeof Channels>>(
        `/api/channels?${paged(after, limit)}${search && `&${new URLSearchParams({ search })}`}`,
      ),
    search: (parameters: Record<string, string>, signal: AbortSignal) =>
      authorized<Static<typeof Found>>(`/api/search?${new URLSearchParams(parameters)}`, { signal }),
    contacts: () => authorized<Static<typeof Contacts>>('/api/contacts'),
    addContact: (id: number, name?: string) =>
      authorized<object>(`/api/contacts/${id}${naming(name)}`, { method: 'PUT' }),
    removeContact: (id: number) => authorized<object>(`/api/contacts/${id}`, { method: 'DELETE' }),
    blocks: () => authorized<Static<typeof Blocks>>('/api/blocks'),
    block: (id: number, name?: string) =>
      authorized<object>(`/api/blocks/${id}${naming(name)}`, { method: 'PUT' }),
    unblock: (id: number) => authorized<object>(`/api/blocks/${id}`, { method: 'DELETE' }),
  };
}
