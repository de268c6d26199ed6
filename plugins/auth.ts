import jwt from '@fastify/jwt';
import { type Static, Type } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Id } from '../schemas/common.js';
import { Passwords } from './auth/passwords.js';
import { PUBLIC_SECRET } from './config.js';
import { secretIn } from './db/data-dir.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    auth: Auth;
  }
  interface FastifyRequest {
    /** Who asks, on routes behind `auth.required`. */
    claims: Claims;
  }
}

/** Seconds since 1970, as far as a date goes. */
const Seconds = Type.Number({ minimum: 0, maximum: 8.64e12 });
/** What a token says; the reference's, so that its tokens stay valid. */
const Claims = Type.Object({
  user_id: Id,
  username: Type.String({ maxLength: 256 }),
  exp: Seconds,
  iat: Type.Optional(Seconds),
});
export type Claims = Static<typeof Claims>;
const claims = TypeCompiler.Compile(Claims);

interface Auth {
  passwords: Passwords;
  /** Makes a token for a user. */
  sign(user: { user_id: number; username: string }): string;
  /** @throws ChatError `unauthorized` */
  verify(token: string): Claims;
  /** Lets a request pass that has a valid bearer token. */
  required(request: FastifyRequest): Promise<void>;
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(header ?? '');
  return match?.[1];
}

/** Tokens and passwords. */
export default fp(
  async (app) => {
    const { config, log } = app;
    let secret = config.JWT_SECRET;
    if (secret === '' && config.embedded) secret = await secretIn(config.DATA_DIR);
    if (secret === '') {
      secret = PUBLIC_SECRET;
      log.warn(
        'JWT_SECRET is not set: tokens are signed with a public default. Anybody can make one. Set it before real use.',
      );
    } else if (Buffer.byteLength(secret) < 32)
      log.warn('JWT_SECRET is shorter than 32 bytes: it can be guessed. Use a longer one.');

    await app.register(jwt, {
      secret,
      sign: { algorithm: 'HS256', expiresIn: `${config.TOKEN_HOURS}h` },
      verify: { algorithms: ['HS256'] },
    });
    const auth: Auth = {
      passwords: new Passwords(),
      sign: ({ user_id, username }) => app.jwt.sign({ user_id, username }),
      verify(token) {
        let decoded: unknown;
        try {
          decoded = app.jwt.verify(token);
        } catch {
          throw new ChatError('unauthorized');
        }
        if (!claims.Check(decoded)) throw new ChatError('unauthorized');
        return decoded;
      },
      async required(request) {
        const token = bearerToken(request.headers.authorization);
        if (token === undefined) throw new ChatError('missing_token');
        request.claims = auth.verify(token);
        app.sockets.admit(request, request.claims.user_id);
      },
    };
    app.decorate('auth', auth);
    app.addHook('onClose', () => auth.passwords.close());
  },
  { name: 'auth', dependencies: ['config', 'errors', 'sockets'] },
);
