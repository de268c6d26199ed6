import { type Static, Type } from '@sinclair/typebox';
import { Id } from './common.js';

/** Seconds since 1970, as far as a date goes. */
const Seconds = Type.Number({ minimum: 0, maximum: 8.64e12 });

/** What a token says: what the reference's do, so that those stay valid, and its session. */
export const Token = Type.Object({
  user_id: Id,
  username: Type.String({ maxLength: 256 }),
  exp: Seconds,
  iat: Type.Optional(Seconds),
  sid: Type.Optional(Type.String({ minLength: 1, maxLength: 40 })),
});
export type Token = Static<typeof Token>;
