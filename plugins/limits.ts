import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { RATES } from '../schemas/limits.js';
import { pack } from './bus/parcel.js';
import { Cache } from './cache.js';
import { STEP_MS } from './clock.js';
import { ChatError } from './errors.js';
import { Allowance, type Price, priceOf } from './limits/allowance.js';
import { Doors } from './limits/doors.js';

declare module 'fastify' {
  interface FastifyInstance {
    limits: Limits;
  }
}

type Dispatch<C> = (connection: C, data: Buffer) => void | Promise<void>;

interface Limits {
  readonly doors: Doors;
  /** Refused since the start: tries at the doors, messages, and questions to the database. */
  readonly counts: { readonly tries: number; readonly sends: number; readonly questions: number };
  /**
   * A user sends a message.
   * @throws ChatError `too_many_requests`: it isn't stored
   */
  send(user: number, content: string): void;
  /**
   * Somebody asks for something that the database has.
   * @param who a user or, where others who are this user must not use it up, the session or device
   * @throws ChatError `too_many_requests`
   */
  ask(who: number | string): void;
  /** The same of the user of a request, behind `auth.required`. */
  asked(request: FastifyRequest): Promise<void>;
  /** The same of its session: whoever has stolen another one keeps nobody from ending that. */
  askedApart(request: FastifyRequest): Promise<void>;
  /** Makes of what handles frames what handles those of one connection, and none faster than they may come. */
  paced<C>(dispatch: Dispatch<C>): Dispatch<C>;
}

/** What users, or sessions and devices, have taken of late: who isn't in it any more has worked all of it off. */
const takenBy = <K extends number | string>() =>
  new Cache<K, Allowance>({ entries: RATES.countedUsers, ageMs: RATES.burstMs });

/** How often anybody may try, send and ask. */
export default fp(
  async (app) => {
    const { bus, clock, config, hub, log, sessions } = app;
    const isOn = config.LIMITS === 'on';
    const sends = { price: priceOf(config.SENDS_PER_SECOND, RATES.sendBytes), taken: takenBy<number>() };
    const questions = { price: priceOf(RATES.questions), taken: takenBy<number>() };
    // Whoever makes devices up pushes each other out of these, and no user's count.
    const apart = { price: questions.price, taken: takenBy<string>() };
    const frames = priceOf(RATES.frames, RATES.frameBytes);
    const refused = { sends: 0, questions: 0 };

    /** @throws ChatError `too_many_requests` */
    const take = <K extends number | string>(
      { price, taken }: { price: Price; taken: Cache<K, Allowance> },
      what: keyof typeof refused,
      who: K,
      bytes: number,
    ) => {
      const { now } = clock;
      let allowance = taken.get(who);
      if (allowance === undefined) {
        allowance = new Allowance();
        taken.set(who, allowance);
      }
      const wait = allowance.wait(price, bytes, now);
      // Sums of parts of a millisecond aren't exact.
      if (wait < 1) return allowance.take(price, bytes, now);
      refused[what]++;
      // The clock goes by steps, and may be one behind.
      const retryAfterMs = Math.ceil(wait) + STEP_MS;
      const text = what === 'sends' ? 'too many messages' : 'too many requests';
      throw new ChatError('too_many_requests', `${text}, wait ${Math.ceil(retryAfterMs / 1000)} s`, {
        retryAfterMs,
      });
    };

    const tell = (keys: string[]) => {
      const failed = { replica: bus.replica, keys };
      // Nobody waits for it: where the bus is away each instance counts alone.
      bus.broadcast(pack({ failed })).catch((error: unknown) => {
        log.debug({ err: error }, 'failures are not told');
      });
    };
    const doors = new Doors(clock, config, sessions, tell);
    hub.router.onFailed = ({ replica, keys }) => {
      if (replica !== bus.replica) doors.failedElsewhere(keys);
    };

    const limits: Limits = {
      doors,
      counts: {
        get tries() {
          return doors.refused;
        },
        get sends() {
          return refused.sends;
        },
        get questions() {
          return refused.questions;
        },
      },
      send(user, content) {
        if (isOn) take(sends, 'sends', user, Buffer.byteLength(content));
      },
      ask(who) {
        if (!isOn) return;
        if (typeof who === 'number') take(questions, 'questions', who, 0);
        else take(apart, 'questions', who, 0);
      },
      async asked({ claims }) {
        limits.ask(claims.user_id);
      },
      async askedApart({ claims }) {
        limits.ask(claims.sid ?? claims.user_id);
      },
      paced(dispatch) {
        if (!isOn) return dispatch;
        const allowance = new Allowance();
        const after = async (work: void | Promise<void>, ms: number) => {
          await work;
          await sleep(ms, undefined, { ref: false });
        };
        return (connection, data) => {
          const work = dispatch(connection, data);
          allowance.take(frames, data.length, clock.now);
          const wait = allowance.wait(frames, 0, clock.now);
          return wait > 0 ? after(work, wait) : work;
        };
      },
    };
    app.decorate('limits', limits);
  },
  { name: 'limits', dependencies: ['config', 'clock', 'redis', 'hub', 'sessions'] },
);
