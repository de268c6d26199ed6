import { type Static, Type } from '@sinclair/typebox';
import { Id, Timestamp, Username } from './common.js';
import { Code } from './factor.js';
import { ACCOUNTS } from './limits.js';
import { DeviceName } from './session.js';
import { MutedUntil } from './settings.js';

/** Body of `/register` and `/login`. Both fields are optional here so that a missing one gets its own sentence. */
export const Credentials = Type.Object({
  username: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
  password: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
});
export type Credentials = Static<typeof Credentials>;

/** Body of `/register`: `invite` is the code of an invite, where the server asks for one. */
export const Registration = Type.Object({
  ...Credentials.properties,
  invite: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Null()])),
});
/** Body of `/api/reset`. */
export const ResetBody = Type.Object({
  code: Type.String({ maxLength: 256 }),
  new_password: Type.Optional(Type.Union([Type.String({ maxLength: 4096 }), Type.Null()])),
});

/** What the operator has on every page; null for nothing. */
export const Notice = Type.Object({
  notice: Type.Union([Type.String({ maxLength: ACCOUNTS.notice }), Type.Null()]),
});

/** What one who isn't signed in has to know. */
export const Door = Type.Object({
  registration: Type.String({ maxLength: 40, description: 'who may register: open, invite or closed' }),
  vouched: Type.Boolean({
    description: 'whether a proxy says who this is, so that `/api/exchange` signs in without a password',
  }),
});

export const Registered = Type.Object({ user_id: Id });
/** Whose password was set. */
export const Named = Type.Object({ user_id: Id, username: Username });
/** What somebody is given who signs in. */
export const SignedIn = Type.Object({
  user_id: Id,
  username: Username,
  token: Type.String({ maxLength: 4096 }),
  token_expires_at: Timestamp,
  second_factor_needed: Type.Optional(
    Type.Literal(true, {
      description: 'the token is good for setting up a second factor, and for nothing else',
    }),
  ),
});

/** Body of `/login`. */
export const Login = Type.Composite([
  Credentials,
  Type.Object({
    code: Type.Optional(Code),
    device: Type.Optional(DeviceName),
    stay_signed_in: Type.Optional(
      Type.Boolean({
        description:
          "gives a cookie that is exchanged for tokens (`/api/exchange`): kept, or with false, where the device isn't one's own, while the browser is open",
      }),
    ),
  }),
]);

/** What is said of a user only where it is so. */
const Remarks = {
  deleted: Type.Optional(
    Type.Literal(true, { description: 'the user is gone, and the name only stands for one' }),
  ),
  alike: Type.Optional(
    Type.Literal(true, { description: 'the name is from before and looks like that of somebody else' }),
  ),
};
/** A user as others see them. */
export const User = Type.Object({ user_id: Id, username: Username, ...Remarks });
export type User = Static<typeof User>;

export const Me = Type.Object({
  user_id: Id,
  username: Username,
  token_expires_at: Timestamp,
  is_admin: Type.Optional(Type.Literal(true)),
  /** Of all conversations: do not disturb. */
  muted_until: MutedUntil,
});

/** One user: `created_at` is null for those who were there before it was written down, and for those who are gone. */
export const Profile = Type.Object({
  ...User.properties,
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
/** More marks over each other than any language has, or the same one twice (Unicode Technical Standard 39, 5.4), in NFD. */
const PILED = /[\p{Mn}\p{Me}]{5}|([\p{Mn}\p{Me}])\1/u;
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
  if (PILED.test(name.normalize('NFD'))) return 'username must not have so many marks over each other';
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
