import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { changedFields, deleteFields, editFields, reactFields } from './change.js';
import { At, ClientId, Content, Id, Seq, Timestamp } from './common.js';
import { Count } from './conversation.js';
import { ErrorCode, RetryAfterMs } from './error.js';
import { GroupEvent } from './group.js';
import { GROUPS, LIMITS } from './limits.js';
import { Beside, Message } from './message.js';
import { MutedUntil, OwnSettings } from './settings.js';

// The rules behind each frame are in PROTOCOL.md. A frame is one schema here, one handler in routes/ws (if a client
// sends it) and one row in one of the four tables below; the tables' types make a missing one fail to compile.

const frame = <T extends string, P extends Record<string, TSchema>>(
  type: T,
  properties: P,
  ...examples: object[]
) => Type.Object({ type: Type.Literal(type), ...properties }, examples.length > 0 ? { examples } : {});

const text = (maxLength: number) => Type.String({ maxLength });
const Correlation = Type.Optional(ClientId);
const UserIds = Type.Array(Id, { maxItems: 100_000 });

/** What the reference reads as a user's id, before it looks whether it can be one. */
const Int64 = Type.Integer({ minimum: -(2 ** 63), maximum: 2 ** 63 });

/** A row of `offline_list`, as the reference sends it. */
const OfflineRow = Type.Object({
  msg_id: Id,
  to_user_id: Id,
  from_user_id: Id,
  content: Content,
  created_at: Timestamp,
});

/** Plain protocol, client to server. `chat` is checked by hand past its types, since the reference fixes those texts. */
export const plainClient = {
  chat: frame('chat', {
    to_user_id: Type.Optional(Type.Union([Int64, Type.Null()])),
    content: Type.Optional(Type.Union([Content, Type.Null()])),
  }),
  get_online_list: frame('get_online_list', {}),
  get_offline: frame('get_offline', {}),
};

/** Plain protocol, server to client. */
export const plainServer = {
  chat: frame('chat', { to_user_id: Id, from_user_id: Id, content: Content }),
  online_list: frame('online_list', { data: UserIds }),
  offline_list: frame('offline_list', { data: Type.Array(OfflineRow, { maxItems: 1000 }) }),
  error: frame('error', { content: text(1000) }),
};

/** Extended protocol (`chat.v2`), client to server. */
export const extendedClient = {
  sync: frame('sync', {
    id: Correlation,
    epoch: Type.Optional(text(200)),
    positions: Type.Array(
      Type.Object({
        conversation_id: Id,
        seq: Seq,
        at: Type.Optional(At),
        change: Type.Optional(Seq),
        changed_at: Type.Optional(At),
      }),
      { maxItems: LIMITS.syncPositions },
    ),
    more: Type.Optional(Type.Boolean()),
    /** Where conversations that are not named begin: at their end, instead of at 0. */
    rest: Type.Optional(Type.Literal('end')),
  }),
  chat: frame(
    'chat',
    {
      id: Correlation,
      to_user_id: Type.Optional(Id),
      conversation_id: Type.Optional(Id),
      content: Content,
      ...Beside,
    },
    { type: 'chat', id: 'k2', conversation_id: 1, content: '@bob, look', mentions: [2], reply_to: 1 },
    { type: 'chat', id: 'k3', conversation_id: 1, content: '@all, look', mention_all: true },
  ),
  edit: frame('edit', editFields),
  delete: frame('delete', deleteFields),
  react: frame('react', reactFields),
  ack: frame('ack', { id: Correlation, conversation_id: Id, seq: Seq }),
  read: frame('read', { id: Correlation, conversation_id: Id, seq: Seq }),
  typing: frame('typing', { id: Correlation, conversation_id: Id }),
  /** What is on the client's screen from now on. */
  open: frame('open', { id: Correlation, conversation_ids: Type.Array(Id, { maxItems: GROUPS.open }) }),
  presence: frame('presence', {
    id: Correlation,
    user_ids: Type.Array(Id, { maxItems: LIMITS.watchedUsers }),
  }),
  token: frame('token', { id: Correlation, token: text(4096) }),
  ping: frame('ping', { id: Correlation }),
};

/** Extended protocol, server to client. */
export const extendedServer = {
  welcome: frame('welcome', {
    user_id: Id,
    username: text(256),
    instance_id: text(200),
    epoch: text(200),
    /** The build of the page that this instance has; absent where it has none. */
    version: Type.Optional(text(64)),
    server_time: Timestamp,
    token_expires_at: Timestamp,
    heartbeat_seconds: Type.Integer({ minimum: 1, maximum: 3600 }),
    limits: Type.Object({
      frame_bytes: Id,
      content_bytes: Id,
      unconfirmed_messages: Id,
      unconfirmed_bytes: Id,
      sync_positions: Id,
      watched_users: Id,
      /** Members up to which a group is never parked, and what one `open` may name. */
      parked_members: Id,
      open_conversations: Id,
      /** Members up to which whoever may write mentions all. */
      mention_all_members: Id,
      /** Minutes for which one may edit what one wrote; absent: at any time. */
      edit_minutes: Type.Optional(Id),
    }),
  }),
  synced: frame('synced', { id: Correlation }),
  /**
   * Without `conversation_id`: everything held is of another epoch. With: what is held of that conversation is of another history,
   * and its position is now `seq`, where the message is of `at`, and `change`, which is of `changed_at`. With `keep`: its position is now `seq`, since nothing is left of
   * what is before; what is held stays.
   */
  reset: frame('reset', {
    id: Correlation,
    conversation_id: Type.Optional(Id),
    seq: Type.Optional(Seq),
    at: Type.Optional(At),
    change: Type.Optional(Seq),
    changed_at: Type.Optional(At),
    keep: Type.Optional(Type.Literal(true)),
  }),
  sent: frame('sent', {
    id: ClientId,
    conversation_id: Id,
    /** In a conversation of two. */
    to_user_id: Type.Optional(Id),
    msg_id: Id,
    seq: Id,
    created_at: Timestamp,
  }),
  chat: frame('chat', {
    conversation_id: Id,
    msg_id: Id,
    seq: Id,
    from_user_id: Id,
    /** In a conversation of two. */
    to_user_id: Type.Optional(Id),
    content: Content,
    ...Beside,
    created_at: Timestamp,
    /** The sender's own id; only in frames that go back to the sender. */
    id: Type.Optional(text(65)),
  }),
  /** Something was done to a group. It stands in the conversation like a message. */
  event: frame('event', {
    conversation_id: Id,
    msg_id: Id,
    seq: Id,
    from_user_id: Id,
    event: GroupEvent,
    created_at: Timestamp,
  }),
  /**
   * In a group the client stands at `seq` now, where the message is of `at`; the last messages before the end follow. What is before
   * is to be read over HTTP; with `hidden` what is between the client's position before and `seq` isn't for its user.
   */
  joined: frame('joined', {
    conversation_id: Id,
    seq: Seq,
    at: Type.Optional(At),
    hidden: Type.Optional(Type.Literal(true)),
  }),
  /**
   * How far conversations go that are parked: their messages aren't given. `at` is that of the message there, where it is for the user;
   * `mention` the place of the newest that mentions the user, where there is news of one.
   */
  head: frame('head', {
    conversations: Type.Array(
      Type.Object({ conversation_id: Id, seq: Id, at: Type.Optional(At), mention: Type.Optional(Id) }),
      { maxItems: LIMITS.syncPositions },
    ),
  }),
  /** A message that has changed, as it is now; the answer to `edit`, `delete` and `react` with their `id`. */
  changed: frame('changed', changedFields),
  /** The client stands at this change, which was stored `at`: up to there is nothing more for it. */
  changes: frame('changes', { conversation_id: Id, change: Id, at: At }),
  receipt: frame('receipt', { conversation_id: Id, user_id: Id, delivered_seq: Seq, read_seq: Seq }),
  /** How far the user has read, on another of their connections or over HTTP. */
  read: frame('read', { conversation_id: Id, seq: Seq }),
  typing: frame('typing', { conversation_id: Id, user_id: Id }),
  /** What the user has set of a conversation, and how much of it is unread, now: told when that was set, on any of their devices. */
  conversation: frame('conversation', {
    conversation_id: Id,
    settings: OwnSettings,
    unread: Count,
    mentions: Count,
    read_seq: Seq,
  }),
  /** What the user has set of everything. */
  me: frame('me', { muted_until: MutedUntil }),
  /** The user's contacts, requests or blocks are others now: they are to be read again, over HTTP, unless they have that version. */
  contacts: frame('contacts', { version: Seq }),
  presence: frame('presence', {
    id: Correlation,
    users: Type.Array(
      Type.Object({
        user_id: Id,
        online: Type.Boolean(),
        last_seen_at: Type.Union([Timestamp, Type.Null()]),
      }),
      { maxItems: LIMITS.watchedUsers },
    ),
  }),
  token: frame('token', { id: Correlation, token_expires_at: Timestamp }),
  pong: frame('pong', { id: Correlation }),
  error: frame('error', {
    id: Correlation,
    code: ErrorCode,
    content: text(1000),
    retryable: Type.Boolean(),
    retry_after_ms: Type.Optional(RetryAfterMs),
    /** Of `conflict`: the message as it is now. */
    message: Type.Optional(Message),
  }),
};

type Frames<T extends Record<string, TSchema>> = { [K in keyof T]: Static<T[K]> };
type PlainServer = Frames<typeof plainServer>;
export type ExtendedClient = Frames<typeof extendedClient>;
export type ExtendedServer = Frames<typeof extendedServer>;
export type PlainFrame = PlainServer[keyof PlainServer];
export type ExtendedFrame = ExtendedServer[keyof ExtendedServer];
