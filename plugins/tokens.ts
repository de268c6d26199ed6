import { createHash } from 'node:crypto';
import jwt from '@fastify/jwt';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import fp from 'fastify-plugin';
import { Token } from '../schemas/token.js';
import { PUBLIC_SECRET, SECRET_BYTES } from './config.js';
import { secretIn } from './db/data-dir.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    tokens: Tokens;
  }
}

const check = TypeCompiler.Compile(Token);

interface Tokens {
  /** What signs. */
  readonly secret: string;
  /** Tells secrets apart, and nothing else of them: that of the one that signs, and of those that only verify. */
  readonly print: string;
  readonly printsBefore: ReadonlySet<string>;
  /**
   * Makes a token.
   * @param sid its session; undefined for a token as the reference's
   * @param seconds that it is valid
   */
  sign(user: { user_id: number; username: string }, sid: string | undefined, seconds: number): string;
  /**
   * What a token says that is signed by one of our secrets and not expired. Whether its session goes on isn't asked.
   * @throws ChatError `unauthorized`
   */
  read(token: string): Token;
}

const printOf = (secret: string) => createHash('sha256').update(`print ${secret}`).digest('hex').slice(0, 16);

/** Signed tokens. */
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
    } else if (Buffer.byteLength(secret) < SECRET_BYTES)
      log.warn('JWT_SECRET is shorter than 32 bytes: it can be guessed. Use a longer one.');

    const algorithm = 'HS256';
    await app.register(jwt, { secret, sign: { algorithm }, verify: { algorithms: [algorithm] } });
    const before = config.secretsBefore;
    const keys = [secret, ...before];

    app.decorate('tokens', {
      secret,
      print: printOf(secret),
      printsBefore: new Set(before.map(printOf)),
      sign: ({ user_id, username }, sid, seconds) =>
        app.jwt.sign(
          { user_id, username, ...(sid !== undefined && { sid }) },
          { algorithm, expiresIn: seconds },
        ),
      read(token) {
        for (const key of keys) {
          try {
            const said: unknown =
              key === secret
                ? app.jwt.verify(token)
                : app.jwt.verify(token, { key, algorithms: [algorithm] });
            if (check.Check(said)) return said;
          } catch {
            // Another secret may have signed it.
          }
        }
        throw new ChatError('unauthorized');
      },
    });
  },
  { name: 'tokens', dependencies: ['config', 'errors'] },
);
