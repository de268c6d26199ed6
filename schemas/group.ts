import { type Static, Type } from '@sinclair/typebox';
import { ClientId, Id, Seq, Timestamp } from './common.js';
import { GROUPS } from './limits.js';
import { User } from './user.js';

const oneOf = <T extends string>(...values: T[]) => Type.Union(values.map((value) => Type.Literal(value)));

/** A channel is listed, and joined by oneself. */
const Kind = oneOf('group', 'channel');
export const Role = oneOf('owner', 'moderator', 'member');
export type Role = Static<typeof Role>;
/** Who may write. */
const Posting = oneOf('all', 'moderators');
/** What those see who come later: all of it, or what is stored from then on. */
const Shown = oneOf('all', 'joining');
/** The exact rule is `titleProblem`. */
const Title = Type.String({ maxLength: 4096 });
/** The exact rule is `topicProblem`. */
const Topic = Type.String({ maxLength: 4096 });
/** As it is kept. */
const KeptTopic = Type.String({ maxLength: 4 * GROUPS.topic });
const UserIds = Type.Array(Id, { maxItems: GROUPS.addedAtOnce });

/** What is said of a conversation that isn't one of two. */
export const Group = Type.Object({
  kind: Kind,
  title: Type.String({ maxLength: 4 * GROUPS.title }),
  /** What it is about, where that was said. */
  topic: Type.Optional(KeptTopic),
  /** Null: the user isn't in it any more. */
  role: Type.Union([Role, Type.Null()]),
  posting: Posting,
  history: Shown,
  members: Type.Integer({ minimum: 0, maximum: GROUPS.channelMembers }),
  /** By the operator: nobody writes there any more, whoever that is. */
  archived: Type.Optional(Type.Literal(true)),
});
export type Group = Static<typeof Group>;

/** What was done to a group. Who did it wrote the message; names aren't in it. */
export const GroupEvent = Type.Object({
  action: oneOf(
    'made',
    'added',
    'joined',
    'left',
    'removed',
    'role',
    'renamed',
    'topic',
    'posting',
    'history',
  ),
  /** Whom: of `added`, `removed` and `role`. */
  user_ids: Type.Optional(UserIds),
  /** Of `made` and `renamed`. */
  title: Type.Optional(Type.String({ maxLength: 4 * GROUPS.title })),
  /** Of `topic`: empty where it was taken away. */
  topic: Type.Optional(KeptTopic),
  role: Type.Optional(Role),
  posting: Type.Optional(Posting),
  history: Type.Optional(Shown),
});
export type GroupEvent = Static<typeof GroupEvent>;

/** Body of `POST /api/conversations`: the same `id` again is the same conversation. */
export const NewGroup = Type.Object({
  id: Type.Optional(ClientId),
  title: Title,
  topic: Type.Optional(Topic),
  user_ids: Type.Optional(UserIds),
  kind: Type.Optional(Kind),
  posting: Type.Optional(Posting),
  history: Type.Optional(Shown),
});
export type NewGroup = Static<typeof NewGroup>;
export const GroupChange = Type.Object({
  title: Type.Optional(Title),
  /** An empty one takes it away. */
  topic: Type.Optional(Topic),
  posting: Type.Optional(Posting),
  history: Type.Optional(Shown),
});
export type GroupChange = Static<typeof GroupChange>;

export const Added = Type.Object({ user_ids: Type.Array(Id, { minItems: 1, maxItems: GROUPS.addedAtOnce }) });
export const RoleBody = Type.Object({ role: Role });
export const MemberParams = Type.Object({ id: Id, user_id: Id });

/** By user: `after` is the last of the page before. */
export const MemberQuery = Type.Object({
  after: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 })),
});
const next_cursor = Type.Union([Id, Type.Null()]);
export const Members = Type.Object({
  members: Type.Array(
    Type.Object({
      user: User,
      role: Role,
      /** Unknown of those who were in it before that was kept. */
      joined_at: Type.Optional(Timestamp),
    }),
    { maxItems: 100 },
  ),
  next_cursor,
});
/** How far each member has received and read; in a group of more than `GROUPS.parked` the one alone who asks. */
export const MemberReceipts = Type.Object({
  receipts: Type.Array(Type.Object({ user_id: Id, delivered_seq: Seq, read_seq: Seq }), { maxItems: 100 }),
  next_cursor,
});

export const ChannelQuery = Type.Object({
  search: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, description: 'how a word of the title begins' }),
  ),
  after: Type.Optional(Id),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
});
export const Channels = Type.Object({
  channels: Type.Array(
    Type.Object({
      conversation_id: Id,
      title: Type.String({ maxLength: 4 * GROUPS.title }),
      topic: Type.Optional(KeptTopic),
      members: Type.Integer({ minimum: 0, maximum: GROUPS.channelMembers }),
      joined: Type.Boolean(),
    }),
    { maxItems: 50 },
  ),
  next_cursor,
});

/** Characters that a title or a topic may not have: control characters, halves of surrogate pairs, and what turns the reading direction. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
/** Something to be seen: neither space, nor format character, nor one that is drawn as nothing. */
const VISIBLE = /[^\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]/u;

/**
 * What is wrong with a title, as a sentence; undefined if nothing is.
 * @param title trimmed and in NFC
 */
export function titleProblem(title: string): string | undefined {
  return title === '' ? 'title is required' : lineProblem('title', title, GROUPS.title);
}

/**
 * What is wrong with a topic, as a sentence; undefined if nothing is. None is an empty one.
 * @param topic trimmed and in NFC
 */
export function topicProblem(topic: string): string | undefined {
  return topic === '' ? undefined : lineProblem('topic', topic, GROUPS.topic);
}

/** What is wrong with a line of text. @param name what it is called */
function lineProblem(name: string, line: string, atMost: number): string | undefined {
  const length = [...line].length;
  if (length > atMost) return `${name} must be at most ${atMost} characters, this one has ${length}`;
  if (FORBIDDEN.test(line)) return `${name} must not have control characters`;
  if (!VISIBLE.test(line)) return `${name} must have a visible character`;
  return undefined;
}
