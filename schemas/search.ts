import { type Static, Type } from '@sinclair/typebox';
import { Id, Timestamp } from './common.js';
import { SEARCH } from './limits.js';
import { User } from './user.js';

const Time = Type.String({
  maxLength: 40,
  pattern: '^\\d{4}-\\d\\d-\\d\\d(T\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,6})?)?(Z|[+-]\\d\\d:\\d\\d))?$',
  description: 'RFC 3339, or a day in UTC',
});

export const SearchQuery = Type.Object({
  query: Type.String({
    minLength: 1,
    maxLength: SEARCH.query,
    description:
      'words, or parts of words, that a message has all of; between quotation marks whole and exactly so',
  }),
  conversation_id: Type.Optional(Id),
  from: Type.Optional(Type.Integer({ ...Id, description: 'who wrote it' })),
  before: Type.Optional(Time),
  after: Type.Optional(Time),
  cursor: Type.Optional(Type.Integer({ ...Id, description: '`next_cursor` of the page before' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
});

const Offset = Type.Integer({ minimum: 0, maximum: SEARCH.excerpt });
/** A message in which all of it stands. */
export const FoundMessage = Type.Object({
  conversation_id: Id,
  seq: Id,
  msg_id: Id,
  from_user_id: Id,
  to_user_id: Type.Optional(Id),
  created_at: Timestamp,
  /** Whether it has the very accents. */
  exact: Type.Boolean(),
  /** The text, or a part of it; `marks`: from and to before, in UTF-16 units. */
  excerpt: Type.Object({
    text: Type.String({ maxLength: SEARCH.excerpt }),
    marks: Type.Array(Type.Tuple([Offset, Offset]), { maxItems: SEARCH.marks }),
    cut_before: Type.Boolean(),
    cut_after: Type.Boolean(),
  }),
});
export type FoundMessage = Static<typeof FoundMessage>;

/** A group or channel that one is in, found by its title. */
const FoundConversation = Type.Object({
  conversation_id: Id,
  kind: Type.Union([Type.Literal('group'), Type.Literal('channel')]),
  title: Type.String({ maxLength: 512 }),
});

export const Found = Type.Object({
  /** On the first page, and where nothing narrows it down. */
  users: Type.Array(User, { maxItems: SEARCH.people }),
  conversations: Type.Array(FoundConversation, { maxItems: SEARCH.conversations }),
  /** Newest first, but that those with the very accents come before the others of the page. */
  messages: Type.Array(FoundMessage, { maxItems: 50 }),
  /** Where it goes on; null at the end. A page may be short, or empty, and yet go on. */
  next_cursor: Type.Union([Id, Type.Null()]),
  /** How far back it went. */
  back_to: Type.Union([Timestamp, Type.Null()]),
  /** Below 1 while what was there before is still being indexed: the part of all conversations that is. */
  indexed: Type.Number({ minimum: 0, maximum: 1 }),
});
export type Found = Static<typeof Found>;
