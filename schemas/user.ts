import { type Static, Type } from '@sinclair/typebox';
import { Id, Timestamp, Username } from './common.js';
import { DeviceName } from './session.js';

/** Body of `/register` and `/login`. Both fields are optional here so that a missing one gets its own sentence. */
export const Credentials = Type.Object({
  username: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
  password: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
});
export type Credentials = Static<typeof Credentials>;

export const Registered = Type.Object({ user_id: Id });
/** What somebody is given who signs in. */
export const SignedIn = Type.Object({
  user_id: Id,
  username: Username,
  token: Type.String({ maxLength: 4096 }),
  token_expires_at: Timestamp,
});

/** Body of `/login`. */
export const Login = Type.Composite([
  Credentials,
  Type.Object({
    device: Type.Optional(DeviceName),
    stay_signed_in: Type.Optional(
      Type.Boolean({
        description:
          "gives a cookie that is exchanged for tokens (`/api/exchange`): kept, or with false, where the device isn't one's own, while the browser is open",
      }),
    ),
  }),
]);

/** A user as others see them. */
export const User = Type.Object({ user_id: Id, username: Username });
export type User = Static<typeof User>;

export const Me = Type.Object({ user_id: Id, username: Username, token_expires_at: Timestamp });

/** One user: `created_at` is null for those who were there before it was written down. */
export const Profile = Type.Object({
  user_id: Id,
  username: Username,
  created_at: Type.Union([Timestamp, Type.Null()]),
});
export type Profile = Static<typeof Profile>;

export const UserParams = Type.Object({ id: Id });
export const UserSearch = Type.Object({
  query: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: 'how a word of the name begins; without: everybody',
    }),
  ),
  after: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'without a query: go on after this user',
    }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
});
export const Users = Type.Object({ users: Type.Array(User, { maxItems: 50 }) });

/** Characters that a name may not have: control characters, halves of surrogate pairs, and what turns the reading direction. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;
/** Something to be seen: neither space, nor format character, nor one that is drawn as nothing. */
const VISIBLE = /[^\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]/u;
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;

/** Code points at most in a name, as its column counts. */
export const USERNAME_LENGTH = 64;
/** Bytes at most in a password: bcrypt reads no further. */
export const PASSWORD_BYTES = 72;

/**
 * What is wrong with a name, as a sentence; undefined if nothing is.
 * @param name trimmed and in NFC
 */
export function usernameProblem(name: string): string | undefined {
  const length = [...name].length;
  if (length > USERNAME_LENGTH)
    return `username must be at most ${USERNAME_LENGTH} characters, this one has ${length}`;
  if (FORBIDDEN.test(name)) return 'username must not have control characters';
  if (!VISIBLE.test(name)) return 'username must have a visible character';
  return undefined;
}

/**
 * Folds a name so that two that differ only by case, by Unicode form or by invisible characters are one.
 * Folding through capitals also joins what only case folding does (ß and ss, the two sigmas); Unicode Standard, 3.13.
 */
export function nameKey(name: string): string {
  const fold = (text: string) => text.normalize('NFKC').replace(IGNORABLE, '').toUpperCase().toLowerCase();
  return fold(fold(name)).replaceAll('ς', 'σ').normalize('NFKC');
}

/** Where a word begins: at a letter or digit after none, and at each character of scripts that leave no space between. */
const WORD =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|(?<![\p{L}\p{M}\p{N}])[\p{L}\p{N}]/gu;

/**
 * What a name can be found by beside its beginning.
 * @param key from `nameKey`
 * @returns what begins with each word but the first, up to the end of the name
 */
export function nameWords(key: string): string[] {
  return [...key.matchAll(WORD)].flatMap(({ index }) => (index > 0 ? [key.slice(index)] : []));
}
