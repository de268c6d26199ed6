import type { Static } from '@sinclair/typebox';
import type { Conversations } from '../../schemas/conversation.js';
import type { History } from '../../schemas/message.js';
import type { Profile, Registered, Session, User, Users } from '../../schemas/user.js';

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

interface Call {
  method?: 'GET' | 'POST';
  body?: object;
  token?: string;
  signal?: AbortSignal;
}

const answerWithin = 20_000;

async function call<T>(path: string, { method = 'GET', body, token, signal }: Call): Promise<T> {
  const headers = new Headers();
  if (body) headers.set('content-type', 'application/json');
  if (token) headers.set('authorization', `Bearer ${token}`);
  const end = new AbortController();
  const stop = () => end.abort();
  const timer = setTimeout(stop, answerWithin);
  signal?.addEventListener('abort', stop);
  try {
    const answer = await fetch(path, {
      method,
      headers,
      body: body ? JSON.stringify(body) : null,
      signal: end.signal,
      cache: 'no-store',
      credentials: 'omit',
    });
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

export const register = (body: Credentials) =>
  call<Static<typeof Registered>>('/register', { method: 'POST', body });
export const login = (body: Credentials) => call<Static<typeof Session>>('/login', { method: 'POST', body });

export type Api = ReturnType<typeof createApi>;

/** What needs a token. A refusal of the token is told to `onRefused`, whoever met it. */
export function createApi(token: () => string, onRefused: () => void) {
  async function authorized<T>(path: string, options: Call = {}): Promise<T> {
    const used = token();
    try {
      return await call<T>(path, { ...options, token: used });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'unauthorized' && used === token()) onRefused();
      throw error;
    }
  }
  return {
    me: () => authorized<User>('/api/me'),
    user: (id: number) => authorized<Profile>(`/api/users/${id}`),
    find: (query: string, signal: AbortSignal) =>
      authorized<Static<typeof Users>>(`/api/users?${new URLSearchParams({ query, limit: '20' })}`, {
        signal,
      }),
    /** By name, after somebody. */
    everybody: (after: number | null, limit: number) =>
      authorized<Static<typeof Users>>(`/api/users?limit=${limit}${after === null ? '' : `&after=${after}`}`),
    conversations: (cursor: number | null) =>
      authorized<Static<typeof Conversations>>(
        `/api/conversations?limit=100${cursor ? `&cursor=${cursor}` : ''}`,
      ),
    after: (conversation: number, seq: number, limit: number) =>
      authorized<Static<typeof History>>(
        `/api/conversations/${conversation}/messages?after=${seq}&limit=${limit}`,
      ),
    freshToken: () => authorized<{ token: string }>('/api/token', { method: 'POST' }),
  };
}
