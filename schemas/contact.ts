import { Type } from '@sinclair/typebox';
import { Id, Seq } from './common.js';
import { LIMITS } from './limits.js';
import { User } from './user.js';

export const PersonParams = Type.Object({ user_id: Id });

/** For where people find their contacts alone: somebody whom one doesn't know yet is named by their whole name, too. */
export const PersonQuery = Type.Object({
  username: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      pattern: '^[^\\u0000]+$',
      description: 'their whole name, needed of whom one does not know yet where `DIRECTORY` is `contacts`',
    }),
  ),
});

/** Those whom a user knows, by name. */
export const Contacts = Type.Object({
  /** Grows with every change: of this, and of who is blocked. */
  version: Seq,
  contacts: Type.Array(User, { maxItems: LIMITS.contacts }),
  /** Whom the user has asked, and who hasn't answered. */
  asked: Type.Array(User, { maxItems: LIMITS.contactRequests }),
  /** Who has asked the user, the newest of them. */
  asking: Type.Array(User, { maxItems: LIMITS.contactRequests }),
});

/** `contact`: the two are contacts now. `asked`: the other one is to accept. */
export const ContactState = Type.Object({
  state: Type.Union([Type.Literal('contact'), Type.Literal('asked')]),
});

export const Blocks = Type.Object({ blocked: Type.Array(User, { maxItems: LIMITS.blocked }) });
