import { Type } from '@sinclair/typebox';
import { Id, Timestamp } from './common.js';
import { ACCOUNTS } from './limits.js';
import { User } from './user.js';

const orNull = <T extends typeof Id | typeof Timestamp>(schema: T) => Type.Union([schema, Type.Null()]);
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 50 }));
/** What was made for whom it is given to, and is told only now: `path` is where the page takes it. */
const Link = { code: Type.String({ maxLength: 64 }), path: Type.String({ maxLength: 100 }) };

/** A user as admins see them. */
const Account = Type.Object({
  ...User.properties,
  created_at: orNull(Timestamp),
  is_admin: Type.Boolean(),
  suspended_at: orNull(Timestamp),
});
export const Accounts = Type.Object({ users: Type.Array(Account, { maxItems: 100 }) });
export const AccountSearch = Type.Object({
  query: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'how the name begins' })),
  after: Type.Optional(Id),
  limit,
});

export const NewAccount = Type.Object({
  username: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
});
export const Created = Type.Object({ user_id: Id, ...Link, expires_at: Timestamp });
export const ResetLink = Type.Object({ ...Link, expires_at: Timestamp });

export const DeleteQuery = Type.Object({
  messages: Type.Optional(
    Type.Union([Type.Literal('true'), Type.Literal('false')], {
      description: 'whether what they wrote is emptied, too',
    }),
  ),
});

const invite = {
  invite_id: Id,
  /** Null: the operator. */
  made_by: orNull(Id),
  made_at: Timestamp,
  expires_at: Timestamp,
  uses_left: Type.Integer({ minimum: 0, maximum: ACCOUNTS.inviteUses }),
};
export const NewInvite = Type.Object({
  hours: Type.Optional(Type.Integer({ minimum: 1, maximum: ACCOUNTS.inviteHours, default: 168 })),
  uses: Type.Optional(Type.Integer({ minimum: 1, maximum: ACCOUNTS.inviteUses, default: 1 })),
});
export const MadeInvite = Type.Object({ ...invite, ...Link });
export const Invites = Type.Object({
  invites: Type.Array(Type.Object({ ...invite, revoked_at: orNull(Timestamp) }), { maxItems: 100 }),
});

/** Newest first: `before` is the last of the page before. */
export const Page = Type.Object({ before: Type.Optional(Id), limit });

/** Who did what: null for the operator. `user_id` is whom it was done to. */
export const Audit = Type.Object({
  entries: Type.Array(
    Type.Object({
      audit_id: Id,
      at: Timestamp,
      actor_id: orNull(Id),
      action: Type.String({ maxLength: 40 }),
      user_id: orNull(Id),
      invite_id: orNull(Id),
      conversation_id: Type.Optional(Id),
    }),
    { maxItems: 100 },
  ),
});

/** What is answered where there is nothing to say. */
export const Done = Type.Object({});
