import { type Static, Type } from '@sinclair/typebox';
import { ClientId, Content, Id, Seq, Timestamp } from './common.js';
import { GroupEvent } from './group.js';
import { CHANGES, GROUPS } from './limits.js';

/** Who reacts to a message by one emoji. */
const Reaction = Type.Object({
  emoji: Type.String({ maxLength: CHANGES.emoji }),
  count: Id,
  /** Those who did first; all of them where there are no more than `count`. */
  users: Type.Array(Id, { maxItems: CHANGES.named }),
  /** Whether the reader is among them; where `users` has all and this isn't known it is absent. */
  mine: Type.Optional(Type.Literal(true)),
});
export type Reaction = Static<typeof Reaction>;

/** What a message has beside its text, where it has it. In a conversation of two nobody is mentioned. */
export const Beside = {
  /** Users whom it mentions; their names stand in the text as well. */
  mentions: Type.Optional(Type.Array(Id, { maxItems: GROUPS.mentions })),
  /** It mentions all members. */
  mention_all: Type.Optional(Type.Literal(true)),
  /** The `seq` of the message of the same conversation that it answers. */
  reply_to: Type.Optional(Id),
};

/** A stored message, as history answers it. `id` is the sender's own, there only for the sender; `to_user_id` is there in a conversation of two. */
export const Message = Type.Object({
  conversation_id: Id,
  msg_id: Id,
  seq: Id,
  from_user_id: Id,
  to_user_id: Type.Optional(Id),
  content: Content,
  ...Beside,
  created_at: Timestamp,
  id: Type.Optional(Type.String({ maxLength: 65 })),
  /** `event`, or what a newer server knows; absent of a text. */
  type: Type.Optional(Type.String({ maxLength: 20 })),
  /** Of what was done to a group, which has no content. */
  event: Type.Optional(GroupEvent),
  /** The number of its last change; absent of one that never changed. */
  change: Type.Optional(Id),
  edited_at: Type.Optional(Timestamp),
  /** Its content is empty then, and all that hung on it is gone. */
  deleted: Type.Optional(Type.Literal(true)),
  reactions: Type.Optional(Type.Array(Reaction, { maxItems: CHANGES.kinds })),
  pinned: Type.Optional(Type.Literal(true)),
});
export type Message = Static<typeof Message>;

/** Body of `POST /api/messages`: to a user or into a conversation, one of the two. */
export const SendBody = Type.Object(
  {
    id: Type.Optional(ClientId),
    to_user_id: Type.Optional(Id),
    conversation_id: Type.Optional(Id),
    content: Content,
    ...Beside,
  },
  {
    examples: [
      { id: 'k1', conversation_id: 1, content: '@bob, look', mentions: [2], reply_to: 1 },
      { conversation_id: 1, content: '@all, look', mention_all: true },
    ],
  },
);
export const Sent = Type.Object({
  id: Type.String({ maxLength: 65 }),
  conversation_id: Id,
  to_user_id: Type.Optional(Id),
  msg_id: Id,
  seq: Id,
  created_at: Timestamp,
});
export type Sent = Static<typeof Sent>;

/** A page of history: messages with `seq` below `before`, or above `after`; the newest where neither is given. */
export const HistoryQuery = Type.Object({
  before: Type.Optional(Id),
  after: Type.Optional(Seq),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
});
/** Oldest first. `has_more`: whether the asked direction goes on past this page. */
export const History = Type.Object({
  messages: Type.Array(Message, { maxItems: 200 }),
  has_more: Type.Boolean(),
});
