import type { GroupEvent } from '../../schemas/group.js';
import type { Beside } from '../../sql/beside.js';
import type { Change } from '../connection/port.js';
import type { Arrival } from '../log/types.js';
import type { Claim } from './bus.js';
import {
  type Crowded,
  type PackedCrowded,
  packCrowded,
  packFlags,
  unpackCrowded,
  unpackFlags,
} from './crowded.js';

export interface Typing {
  to: number;
  user: number;
  conversation: number;
  /** Only to those who have it on their screen. */
  shown?: boolean;
}

/** What `to` has set for themselves is another now: of a conversation, or of all. */
export interface Own {
  to: number;
  conversation?: number | undefined;
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

/** Messages of a conversation have changed, by these changes. */
export interface Ring {
  conversation: number;
  first: number;
  last: number;
}

/** What replicas tell each other. Any of it may be lost, and what a replica of another version doesn't know is. */
export interface Parcel {
  /** Stored messages, each with the users whose connections are there. */
  messages?: readonly { message: Arrival; users: readonly number[] }[];
  crowded?: Crowded;
  receipts?: Change[];
  typing?: Typing[];
  own?: Own[];
  kicks?: Kick[];
  kicked?: Kicked[];
  presence?: { online: number[]; offline: number[] };
  failed?: Failed;
  /** What replicas keep of these users may be another by now. */
  users?: readonly number[];
  /** Messages have changed: what of them is now is in the log. */
  rings?: readonly Ring[];
}

/** Several users, or the only one. */
type Users = number | readonly number[];

// Short keys and rows, since a replica reads as many of these as it has messages; null where a message isn't between two. Rows of
// another form get another key.
interface Packed {
  /** First, so that its sender knows it by its beginning. */
  o?: string;
  c?: PackedCrowded;
  n?: [Users, number, number, number, number, number | null, string, number, number, string?][];
  /** What has something beside its text. */
  b?: [
    Users,
    number,
    number,
    number,
    number,
    number | null,
    string,
    number,
    number,
    Beside | undefined,
    string?,
  ][];
  v?: [Users, number, number, number, number, GroupEvent, number, number?][];
  r?: Change[];
  t?: Typing[];
  s?: Own[];
  k?: Kick[];
  e?: Kicked[];
  p?: { online: number[]; offline: number[] };
  f?: Failed;
  u?: readonly number[];
  g?: (readonly [number, number, number])[];
}

export function pack(parcel: Parcel): string {
  const packed: Packed =
    parcel.crowded === undefined ? {} : { o: parcel.crowded.by, c: packCrowded(parcel.crowded) };
  const texts = (parcel.messages ?? []).filter(({ message }) => message.event === undefined);
  const bare = texts.filter(({ message }) => message.beside === undefined);
  if (bare.length > 0) packed.n = bare.map((one) => [...packText(one), ...packOwnId(one)]);
  const others = texts.filter(({ message }) => message.beside !== undefined);
  if (others.length > 0)
    packed.b = others.map((one) => [...packText(one), one.message.beside, ...packOwnId(one)]);
  const events = (parcel.messages ?? []).flatMap(({ users, message }) => {
    const { conversation, seq, msgId, from, event, createdAt, size = 0 } = message;
    return event === undefined
      ? []
      : [{ users, place: [conversation, seq, msgId, from] as const, event, createdAt, size }];
  });
  if (events.length > 0)
    packed.v = events.map(({ users, place, event, createdAt, size }) => [
      packUsers(users),
      ...place,
      event,
      createdAt,
      size,
    ]);
  if (parcel.receipts !== undefined) packed.r = parcel.receipts;
  if (parcel.typing !== undefined) packed.t = parcel.typing;
  if (parcel.own !== undefined) packed.s = parcel.own;
  if (parcel.kicks !== undefined) packed.k = parcel.kicks;
  if (parcel.kicked !== undefined) packed.e = parcel.kicked;
  if (parcel.presence !== undefined) packed.p = parcel.presence;
  if (parcel.failed !== undefined) packed.f = parcel.failed;
  if (parcel.users !== undefined) packed.u = parcel.users;
  if (parcel.rings !== undefined)
    packed.g = parcel.rings.map(({ conversation, first, last }) => [conversation, first, last]);
  return JSON.stringify(packed);
}

type Packing = NonNullable<Parcel['messages']>[number];
const packText = ({ users, message }: Packing) =>
  [
    packUsers(users),
    message.conversation,
    message.seq,
    message.msgId,
    message.from,
    message.to ?? null,
    message.content,
    message.createdAt,
    packFlags(message),
  ] as const;
/** Only its sender is told. */
const packOwnId = ({ users, message }: Packing) =>
  users.includes(message.from) ? ([message.clientId] as const) : ([] as const);

const packUsers = (users: readonly number[]): Users =>
  users.length === 1 && users[0] !== undefined ? users[0] : users;
const unpackUsers = (users: Users): readonly number[] => (typeof users === 'number' ? [users] : users);

/** @param text from another replica of this program, by `pack` */
export function unpack(text: string): Parcel {
  const packed: Packed = JSON.parse(text);
  return {
    ...((packed.n ?? packed.b ?? packed.v) !== undefined && {
      messages: [
        ...(packed.n ?? []).map(textOf),
        ...(packed.b ?? []).map(textBeside),
        ...(packed.v ?? []).map(eventOf),
      ],
    }),
    ...(packed.o !== undefined && packed.c !== undefined && { crowded: unpackCrowded(packed.o, packed.c) }),
    ...(packed.r !== undefined && { receipts: packed.r }),
    ...(packed.t !== undefined && { typing: packed.t }),
    ...(packed.s !== undefined && { own: packed.s }),
    ...(packed.k !== undefined && { kicks: packed.k }),
    ...(packed.e !== undefined && { kicked: packed.e }),
    ...(packed.p !== undefined && { presence: packed.p }),
    ...(packed.f !== undefined && { failed: packed.f }),
    ...(packed.u !== undefined && { users: packed.u }),
    ...(packed.g !== undefined && {
      rings: packed.g.map(([conversation, first, last]) => ({ conversation, first, last })),
    }),
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
    ...unpackFlags(flags),
  };
  return { users: unpackUsers(users), message };
}

function textBeside(row: NonNullable<Packed['b']>[number]) {
  const [users, conversation, seq, msgId, from, to, content, createdAt, flags, beside, ...id] = row;
  const text = textOf([users, conversation, seq, msgId, from, to, content, createdAt, flags, ...id]);
  return { ...text, message: { ...text.message, beside } };
}

function eventOf([users, conversation, seq, msgId, from, event, createdAt, size = 0]: NonNullable<
  Packed['v']
>[number]) {
  const place = { conversation, seq, msgId, from, to: undefined, createdAt, size };
  const message: Arrival = { ...place, event, content: '', clientId: '', again: false, receipts: false };
  return { users: unpackUsers(users), message };
}
