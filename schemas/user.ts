import { type Static, Type } from '@sinclair/typebox';
import { Id, Timestamp, Username } from './common.js';

/** Body of `/register` and `/login`. Both fields are optional here so that a missing one gets its own sentence. */
export const Credentials = Type.Object({
  username: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
  password: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
});
export type Credentials = Static<typeof Credentials>;

export const Registered = Type.Object({ user_id: Id });
export const Session = Type.Object({
  user_id: Id,
  username: Username,
  token: Type.String({ maxLength: 4096 }),
});

/** A user as others see them. */
export const User = Type.Object({ user_id: Id, username: Username });
export type User = Static<typeof User>;

export const Me = Type.Object({ user_id: Id, username: Username, token_expires_at: Timestamp });

export const UserParams = Type.Object({ id: Id });
export const UserSearch = Type.Object({
  query: Type.String({ minLength: 1, maxLength: 256, description: 'how the name begins' }),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
});
export const Users = Type.Object({ users: Type.Array(User, { maxItems: 50 }) });
