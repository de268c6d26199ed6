import { randomBytes } from 'node:crypto';
import fp from 'fastify-plugin';
import { generate } from 'lean-qr';
import { toSvgPath } from 'lean-qr/extras/svg';
import { Secret, TOTP } from 'otpauth';
import { LIMITS } from '../schemas/limits.js';
import { addFactor, findFactor, takeRecoveryCode, takeStep } from '../sql/factor.js';
import { within } from './db/failure.js';
import { ChatError } from './errors.js';
import { hashOf } from './sessions/device.js';

declare module 'fastify' {
  interface FastifyInstance {
    factor: SecondFactor;
  }
}

/** Seconds that a code is good for, and how many codes before and after count as well: clocks differ. */
const PERIOD = 30;
const WINDOW = 1;
/** Bytes of a secret, as RFC 4226 asks for, and of a recovery code. */
const SECRET_BYTES = 20;
const RECOVERY_BYTES = 10;

/** What somebody's device is to make codes of. */
interface Offer {
  /** In Base32. */
  secret: string;
  /** As authenticators read it. */
  uri: string;
  /** The same as a QR code: an SVG path, and the side of its square. */
  qr: { path: string; size: number };
}

interface SecondFactor {
  /** The time of day in milliseconds since 1970. */
  now(): number;
  /** @param place what the account is called in an authenticator: the name of the server */
  offer(username: string, place: string): Offer;
  /** @returns whether a user has one, and how many recovery codes are left */
  state(user: number): Promise<{ enabled: boolean; recovery_codes: number }>;
  /**
   * Takes a code of a user, or a recovery code; each is good once. Nothing is asked of a user without a second factor.
   * @throws ChatError `code_needed`, `code_wrong`
   */
  ask(user: number, code: string | undefined): Promise<void>;
  /**
   * Gives a user a second factor.
   * @param code which shows that the user's device has the secret
   * @returns the recovery codes, which are not to be had again
   * @throws ChatError `code_wrong`, `factor_exists`
   */
  add(user: number, secret: string, code: string): Promise<string[]>;
}

/** As people type it: in groups, with a hyphen or space between them. */
const typed = (code: string) => code.replace(/[\s-]/g, '').toUpperCase();

/** A second factor beside the password: codes that change with time (RFC 6238), and recovery codes. */
export default fp(
  async (app) => {
    const { requests } = app.db;
    /** The time step of a code; undefined if it is of none that is good now. */
    function stepOf(secret: string, code: string): number | undefined {
      const timestamp = factor.now();
      const totp = new TOTP({ secret: Secret.fromBase32(secret), period: PERIOD });
      const delta = totp.validate({ token: code, window: WINDOW, timestamp });
      return delta === null ? undefined : Math.floor(timestamp / 1000 / PERIOD) + delta;
    }

    const factor: SecondFactor = {
      now: Date.now,
      offer(username, place) {
        const secret = new Secret({ size: SECRET_BYTES });
        const uri = new TOTP({ secret, period: PERIOD, issuer: place, label: username }).toString();
        const code = generate(uri);
        return { secret: secret.base32, uri, qr: { path: toSvgPath(code), size: code.size } };
      },
      async state(user) {
        const { secret, recoveryCodes } = await within(requests, (sql) => findFactor(sql, user));
        return { enabled: secret !== undefined, recovery_codes: recoveryCodes };
      },
      async ask(user, shown) {
        const { secret } = await within(requests, (sql) => findFactor(sql, user));
        if (secret === undefined) return;
        const code = typed(shown ?? '');
        if (code === '') throw new ChatError('code_needed');
        const isTaken = await within(requests, async (sql) => {
          const step = stepOf(secret, code);
          return step === undefined
            ? takeRecoveryCode(sql, user, hashOf(code))
            : takeStep(sql, user, secret, step);
        });
        if (!isTaken) throw new ChatError('code_wrong');
      },
      async add(user, secret, shown) {
        const step = stepOf(secret, typed(shown));
        if (step === undefined) throw new ChatError('code_wrong');
        const codes = Array.from(
          { length: LIMITS.recoveryCodes },
          () => new Secret({ buffer: new Uint8Array(randomBytes(RECOVERY_BYTES)).buffer }).base32,
        );
        const hashes = codes.map((code) => hashOf(code).toString('hex'));
        if (!(await within(requests, (sql) => addFactor(sql, user, { secret, step, codes: hashes }))))
          throw new ChatError('factor_exists');
        await app.sessions.ring([user]);
        return codes.map((code) => code.replace(/(.{4})(?=.)/g, '$1-'));
      },
    };
    app.decorate('factor', factor);
  },
  { name: 'factor', dependencies: ['db', 'sessions'] },
);
