import { type Static, Type } from '@sinclair/typebox';
import { At, Id, Seq } from './common.js';
import { Group } from './group.js';
import { Message } from './message.js';
import { OwnSettings } from './settings.js';
import { User } from './user.js';

/** Counted up to 1000. */
export const Count = Type.Integer({ minimum: 0, maximum: 1000 });

/** A conversation as one who is in it, or was, sees it. */
export const Conversation = Type.Object({
  conversation_id: Id,
  /** In one of two the other one; oneself in a conversation with oneself. */
  user: Type.Optional(User),
  /** In any other. */
  group: Type.Optional(Group),
  last_seq: Seq,
  last_message: Type.Union([Message, Type.Null()]),
  /** Its last change, and when that was stored; absent where nothing has ever changed. */
  change: Type.Optional(Id),
  changed_at: Type.Optional(At),
  /** Messages of others past `read_seq`, or, where the user has marked it as unread, from there on, and at least 1 then. */
  unread: Count,
  /** Those of them that mention the user, or all. */
  mentions: Count,
  read_seq: Seq,
  settings: OwnSettings,
  /** In one of two how far the other has received and read. */
  receipt: Type.Optional(Type.Object({ delivered_seq: Seq, read_seq: Seq })),
});
export type Conversation = Static<typeof Conversation>;

const Switch = (description: string) =>
  Type.Union([Type.Literal('true'), Type.Literal('false')], { description });

export const ConversationParams = Type.Object({ id: Id });
export const ConversationQuery = Type.Object({
  cursor: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 })),
  hidden: Type.Optional(Switch('with `true` also those that are hidden')),
  pinned: Type.Optional(Switch('with `true` those alone that are pinned')),
});
/** Newest first; `next_cursor` goes into the next request, null at the end. */
export const Conversations = Type.Object({
  conversations: Type.Array(Conversation, { maxItems: 100 }),
  next_cursor: Type.Union([Id, Type.Null()]),
});

export const ReadBody = Type.Object({ seq: Seq });
export const ReadState = Type.Object({ read_seq: Seq, unread: Count, mentions: Count });
