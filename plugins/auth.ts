import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Token } from '../schemas/token.js';
import { Passwords } from './auth/passwords.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    auth: Auth;
  }
  interface FastifyRequest {
    /** Who asks, on routes behind `auth.required`. */
    claims: Token;
  }
}

interface Auth {
  passwords: Passwords;
  /**
   * What a valid token says.
   * @throws ChatError `unauthorized`; `overloaded` where the database is needed to know and can't answer now
   */
  verify(token: string): Promise<Token>;
  /** Lets a request pass that has a valid bearer token. */
  required(request: FastifyRequest): Promise<void>;
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(header: string | undefined): string | undefined {
  const match = /^Bearer +(\S+) *$/i.exec(header ?? '');
  return match?.[1];
}

/** Who asks: passwords, and tokens of sessions that go on. */
export default fp(
  async (app) => {
    const auth: Auth = {
      passwords: new Passwords(),
      async verify(token) {
        const said = app.tokens.read(token);
        if (!(await app.sessions.isValid(said))) throw new ChatError('unauthorized');
        return said;
      },
      async required(request) {
        const token = bearerToken(request.headers.authorization);
        if (token === undefined) throw new ChatError('missing_token');
        request.claims = await auth.verify(token);
        app.sockets.admit(request, request.claims.user_id);
      },
    };
    app.decorate('auth', auth);
    app.addHook('onClose', () => auth.passwords.close());
  },
  { name: 'auth', dependencies: ['errors', 'sockets', 'tokens', 'sessions'] },
);
