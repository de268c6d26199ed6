import { type Static, Type } from '@sinclair/typebox';
import { At, ClientId, Content, Id, Seq, Timestamp } from './common.js';
import { CHANGES } from './limits.js';
import { Beside, Message } from './message.js';
import { User } from './user.js';

/** Numbers the changes of a conversation: 1, 2, 3 … without a gap; 0 means before the first. */
const Change = Seq;

/** One emoji: the exact rule is `readEmoji`. */
const Emoji = Type.String({ minLength: 1, maxLength: CHANGES.emoji });

export const MessageParams = Type.Object({ id: Id, seq: Id });
export const ReactionParams = Type.Object({ id: Id, seq: Id, emoji: Emoji });

/** Body of `PATCH …/messages/:seq`. `base`: the change of the state that it was made on, 0 of one never changed; absent: whatever it is. */
const { reply_to: _answered, ...mentioned } = Beside;
export const EditBody = Type.Object({ content: Content, base: Type.Optional(Change), ...mentioned });

/** What has changed past `after`. */
export const ChangesQuery = Type.Object({
  after: Type.Optional(Change),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
});
/** Each changed message once, as it is now, in order of its last change. Who has read this page stands at `change`, which is of `changed_at`. */
export const Changes = Type.Object({
  messages: Type.Array(Message, { maxItems: 200 }),
  change: Change,
  changed_at: Type.Optional(At),
  has_more: Type.Boolean(),
});

export const ReactionsQuery = Type.Object({
  emoji: Type.Optional(Emoji),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 20 + CHANGES.emoji })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
});
/** Who has reacted, and by what; `next_cursor` goes into the next request, null at the end. */
export const Reactions = Type.Object({
  reactions: Type.Array(Type.Object({ user: User, emoji: Emoji, at: Timestamp }), { maxItems: 200 }),
  next_cursor: Type.Union([Type.String({ maxLength: 20 + CHANGES.emoji }), Type.Null()]),
});

/** Answers to a message, oldest first. */
export const RepliesQuery = Type.Object({
  after: Type.Optional(Seq),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
});

/** What is pinned in a conversation, the newest pin first. */
export const Pins = Type.Object({
  pins: Type.Array(Type.Object({ message: Message, user_id: Id, at: Timestamp }), { maxItems: CHANGES.pins }),
});

export const SavedParams = Type.Object({ conversation_id: Id, seq: Id });
export const SavedQuery = Type.Object({
  cursor: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 })),
});
/** What one has saved for oneself, the newest first. */
export const Saved = Type.Object({
  saved: Type.Array(Type.Object({ message: Message, at: Timestamp }), { maxItems: 100 }),
  next_cursor: Type.Union([Id, Type.Null()]),
});

export const ExportQuery = Type.Object({
  format: Type.Optional(Type.Union([Type.Literal('json'), Type.Literal('html')])),
});

/** Fields of the frames by which a message is changed. */
const place = { id: Type.Optional(ClientId), conversation_id: Id, seq: Id };
export const editFields = { ...place, content: Content, base: Change, ...mentioned };
export const deleteFields = place;
export const reactFields = { ...place, emoji: Emoji, on: Type.Boolean() };
/** A message as it is since its change `change`, which was stored `at`; both 0 in the answer to what changed nothing of one that never changed. */
export const changedFields = {
  id: Type.Optional(ClientId),
  ...Type.Omit(Message, ['id', 'to_user_id', 'type', 'event', 'change']).properties,
  change: Change,
  at: At,
  /** Where the client stood, plus one: what is between is this one, or told by one that follows, or not for its user. */
  from_change: Type.Optional(Id),
};

/** Sets of characters may have several in one (`v`), which the compiler doesn't know for what it makes. */
const SETS = 'v';
const EMOJI = new RegExp('^\\p{RGI_Emoji}$', SETS);

/** One emoji, in NFC; undefined if it is none, or more than one. */
export function readEmoji(said: string): string | undefined {
  const emoji = said.normalize('NFC');
  return EMOJI.test(emoji) ? emoji : undefined;
}

export type Changes = Static<typeof Changes>;
