import type { GroupEvent } from '../../schemas/group.js';
import type { Change } from '../connection/port.js';
import type { Arrival } from '../log/types.js';
import type { Claim } from './bus.js';

export interface Typing {
  to: number;
  user: number;
  conversation: number;
}

/** `replica` claims a user: what is alone and older than its number is to be closed, and `replica` told. */
export interface Kick extends Claim {
  replica: string;
}

/** `replica` has heard a kick. */
export interface Kicked {
  user: number;
  alone?: number | undefined;
  replica: string;
}

/** Somebody failed at the doors of `replica`: whose counts that raises, by keys that name nobody. */
export interface Failed {
  replica: string;
  keys: string[];
}

/** What replicas tell each other. Any of it may be lost, and what a replica of another version doesn't know is. */
export interface Parcel {
  /** Stored messages, each with the users whose connections are there. */
  messages?: readonly { message: Arrival; users: readonly number[] }[];
  receipts?: Change[];
  typing?: Typing[];
  kicks?: Kick[];
  kicked?: Kicked[];
  presence?: { online: number[]; offline: number[] };
  failed?: Failed;
  /** What replicas keep of these users may be another by now. */
  users?: readonly number[];
}

/** Several users, or the only one. */
type Users = number | readonly number[];

// Short keys and rows, since a replica reads as many of these as it has messages; null where a message isn't between two. Rows of
// another form get another key.
interface Packed {
  n?: [Users, number, number, number, number, number | null, string, number, number, string?][];
  v?: [Users, number, number, number, number, GroupEvent, number][];
  r?: Change[];
  t?: Typing[];
  k?: Kick[];
  e?: Kicked[];
  p?: { online: number[]; offline: number[] };
  f?: Failed;
  u?: readonly number[];
}

const AGAIN = 1;
const RECEIPTS = 2;

export function pack(parcel: Parcel): string {
  const packed: Packed = {};
  const texts = parcel.messages?.filter(({ message }) => message.event === undefined);
  if (texts !== undefined && texts.length > 0)
    packed.n = texts.map(({ users, message }) => [
      packUsers(users),
      message.conversation,
      message.seq,
      message.msgId,
      message.from,
      message.to ?? null,
      message.content,
      message.createdAt,
      (message.again ? AGAIN : 0) | (message.receipts ? RECEIPTS : 0),
      // Only its sender is told.
      ...(users.includes(message.from) ? ([message.clientId] as const) : ([] as const)),
    ]);
  const events = (parcel.messages ?? []).flatMap(({ users, message }) => {
    const { conversation, seq, msgId, from, event, createdAt } = message;
    return event === undefined
      ? []
      : [{ users, place: [conversation, seq, msgId, from] as const, event, createdAt }];
  });
  if (events.length > 0)
    packed.v = events.map(({ users, place, event, createdAt }) => [
      packUsers(users),
      ...place,
      event,
      createdAt,
    ]);
  if (parcel.receipts !== undefined) packed.r = parcel.receipts;
  if (parcel.typing !== undefined) packed.t = parcel.typing;
  if (parcel.kicks !== undefined) packed.k = parcel.kicks;
  if (parcel.kicked !== undefined) packed.e = parcel.kicked;
  if (parcel.presence !== undefined) packed.p = parcel.presence;
  if (parcel.failed !== undefined) packed.f = parcel.failed;
  if (parcel.users !== undefined) packed.u = parcel.users;
  return JSON.stringify(packed);
}

const packUsers = (users: readonly number[]): Users =>
  users.length === 1 && users[0] !== undefined ? users[0] : users;
const unpackUsers = (users: Users): readonly number[] => (typeof users === 'number' ? [users] : users);

/** @param text from another replica of this program, by `pack` */
export function unpack(text: string): Parcel {
  const packed: Packed = JSON.parse(text);
  return {
    ...((packed.n !== undefined || packed.v !== undefined) && {
      messages: [...(packed.n ?? []).map(textOf), ...(packed.v ?? []).map(eventOf)],
    }),
    ...(packed.r !== undefined && { receipts: packed.r }),
    ...(packed.t !== undefined && { typing: packed.t }),
    ...(packed.k !== undefined && { kicks: packed.k }),
    ...(packed.e !== undefined && { kicked: packed.e }),
    ...(packed.p !== undefined && { presence: packed.p }),
    ...(packed.f !== undefined && { failed: packed.f }),
    ...(packed.u !== undefined && { users: packed.u }),
  };
}

function textOf([
  users,
  conversation,
  seq,
  msgId,
  from,
  to,
  content,
  createdAt,
  flags,
  clientId = '',
]: NonNullable<Packed['n']>[number]) {
  const message: Arrival = {
    conversation,
    seq,
    msgId,
    from,
    to: to ?? undefined,
    content,
    createdAt,
    clientId,
    again: (flags & AGAIN) !== 0,
    receipts: (flags & RECEIPTS) !== 0,
  };
  return { users: unpackUsers(users), message };
}

function eventOf([users, conversation, seq, msgId, from, event, createdAt]: NonNullable<
  Packed['v']
>[number]) {
  const place = { conversation, seq, msgId, from, to: undefined, createdAt };
  const message: Arrival = { ...place, event, content: '', clientId: '', again: false, receipts: false };
  return { users: unpackUsers(users), message };
}
