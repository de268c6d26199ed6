import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LIMITS } from '../schemas/limits.js';
import type { Token } from '../schemas/token.js';
import { addSession, holdsSecret, noteSecret, touchSessions } from '../sql/sessions.js';
import type { Connection } from './connection/connection.js';
import { within } from './db/failure.js';
import { ChatError } from './errors.js';
import { gathered } from './gathered.js';
import { DeviceCookie, hashOf, newSecret, newSid } from './sessions/device.js';
import { Rings } from './sessions/rings.js';
import { Standings } from './sessions/standings.js';

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions;
  }
}

const HOUR_MS = 3_600_000;
/** Hours that a token without a session is valid at most, unless the settings say more: as the reference's. */
const REFERENCE_HOURS = 24;
/** Hours that a token is valid whose device can have another one at any time. */
const DEVICE_HOURS = 1;
/** Days after which a device ends that isn't its user's own and isn't seen. */
const FOREIGN_DAYS = 1;

interface Named {
  user_id: number;
  username: string;
}

/** What a client is given to sign in with. */
interface Given {
  token: string;
  token_expires_at: string;
}

interface Sessions {
  readonly cookie: DeviceCookie;
  /** Days that a session goes on unseen: of a user's own device, and of another one. */
  readonly days: { days: number; foreignDays: number };
  /**
   * Whether a token is that of a session that goes on, of a user who is there and not suspended.
   * @throws ChatError `overloaded` where that isn't known and the database can't answer now
   */
  isValid(token: Token): Promise<boolean>;
  /**
   * Signs a user in.
   * @param options `device`: its name; `stays`: it is given a secret (`secret` in what is returned), to keep for good or, if false, while
   *   the browser is open; `password`: the hash that was compared
   * @throws ChatError `unauthorized` where the user is gone, suspended or has another password by now
   */
  open(
    request: FastifyRequest,
    user: Named,
    options: { device?: string | undefined; stays?: boolean | undefined; password?: string },
  ): Promise<Given & { sid: string; secret: string | undefined }>;
  /**
   * Another token for who has shown one: of the same session, with which it ends at the latest; of a new one where it had none.
   * @throws ChatError `unauthorized` where the session has ended, or the user is gone or suspended
   */
  another(request: FastifyRequest): Promise<Given>;
  /** A token for a device that has shown its secret. @param ends the end of its session */
  forDevice(user: Named, sid: string, ends: Date): Given;
  /** Whether a request comes from a device on which a user is signed in. */
  isKnown(request: FastifyRequest, user: number): Promise<boolean>;
  /** What was committed of these users is told to all replicas, and ends what isn't valid any more. */
  ring(users: readonly number[]): Promise<void>;
  /** Ends a connection that has come since the ring that would have ended it. */
  recheck(connection: Connection): Promise<void>;
}

/** Who is signed in where, and the end of that. */
export default fp(
  async (app) => {
    const { config, log, db, bus, hub, tokens } = app;
    const touch = gathered(async (sids: string[]) => {
      await db.delivery.ask((sql) => touchSessions(sql, sids));
      return new Map<string, never>();
    });
    const standings = new Standings(
      db.delivery,
      Math.max(REFERENCE_HOURS, config.TOKEN_HOURS) * HOUR_MS,
      (sid) => void touch(sid).catch((error: unknown) => log.debug({ err: error }, 'a session is not noted')),
    );
    let warnedOf: string | undefined;
    const rings = new Rings(log, db.delivery, bus, hub, standings, (print) => {
      if (print === tokens.print || print === warnedOf || tokens.printsBefore.has(print)) return;
      warnedOf = print;
      log.error(
        'Another instance on this database signs tokens with another JWT_SECRET: who signs in there is refused here. Give all instances the same one; where it changes, put the other one into JWT_SECRET_BEFORE.',
      );
    });
    const given = (user: Named, sid: string, ends: number, hours: number): Given => {
      const seconds = Math.floor(Math.min(hours * HOUR_MS, ends - Date.now()) / 1000);
      const token = tokens.sign(user, sid, seconds);
      return { token, token_expires_at: new Date(tokens.read(token).exp * 1000).toISOString() };
    };
    const days = { days: config.SESSION_DAYS, foreignDays: FOREIGN_DAYS };

    const sessions: Sessions = {
      cookie: new DeviceCookie(db.epoch),
      days,
      isValid: (token) => standings.isValid(token),
      async open(request, user, { device, stays, password }) {
        const sid = newSid();
        const secret = stays === undefined ? undefined : newSecret();
        const length = stays === false ? days.foreignDays : days.days;
        const added = await within(db.requests, (sql) =>
          addSession(
            sql,
            {
              sid,
              user: user.user_id,
              device: device ?? nameOf(request),
              address: request.ip,
              stays: stays === true,
              days: length,
              secret: secret === undefined ? undefined : hashOf(secret),
              password,
            },
            LIMITS.userSessions,
          ),
        );
        if (!added) throw new ChatError('unauthorized');
        const hours = secret === undefined ? config.TOKEN_HOURS : DEVICE_HOURS;
        return { ...given(user, sid, Date.now() + length * 24 * HOUR_MS, hours), sid, secret };
      },
      async another(request) {
        const { claims } = request;
        if (claims.sid === undefined) return sessions.open(request, claims, {});
        const ends = await standings.endOf({ ...claims, sid: claims.sid });
        if (ends === undefined) throw new ChatError('unauthorized');
        return given(claims, claims.sid, ends, config.TOKEN_HOURS);
      },
      forDevice: (user, sid, ends) => given(user, sid, ends.getTime(), DEVICE_HOURS),
      async isKnown(request, user) {
        const device = sessions.cookie.read(request);
        if (device === undefined) return false;
        return within(db.requests, (sql) => holdsSecret(sql, user, device.sid, hashOf(device.secret)));
      },
      ring: (users) => rings.ring(users),
      recheck: (connection) => rings.recheck(connection),
    };
    app.decorate('sessions', sessions);
    hub.router.onUsers = (users) => rings.heard(users);
    app.addHook('onReady', async () => {
      await db.delivery.ask((sql) => noteSecret(sql, tokens.print));
      await rings.start();
    });
    app.addHook('onClose', () => rings.close());
  },
  { name: 'sessions', dependencies: ['config', 'db', 'redis', 'hub', 'tokens'] },
);

/** What a device is called that doesn't say its name: what its program says of itself. */
function nameOf(request: FastifyRequest): string {
  // Of well-formed characters, since it is stored.
  const said = (request.headers['user-agent'] ?? '').replace(/[^\x20-\x7e]/g, '');
  return said.slice(0, LIMITS.deviceName);
}
