import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { RATES } from '../schemas/limits.js';
import { pack } from './bus/parcel.js';
import { Cache } from './cache.js';
import { STEP_MS } from './clock.js';
import { ChatError } from './errors.js';
import { Allowance, type Price, priceOf } from './limits/allowance.js';
import { Doors, type Knows } from './limits/doors.js';

declare module 'fastify' {
  interface FastifyInstance {
    limits: Limits;
  }
}

type Dispatch<C> = (connection: C, data: Buffer) => void | Promise<void>;

interface Limits {
  /** Set by whoever keeps the secrets of devices; without it nobody is known by one. */
  knows: Knows | undefined;
  readonly doors: Doors;
  /** Refused since the start: tries at the doors, messages, and questions to the database. */
  readonly counts: { readonly tries: number; readonly sends: number; readonly questions: number };
  /**
   * A user sends a message.
   * @throws ChatError `too_many_requests`: it isn't stored
   */
  send(user: number, content: string): void;
  /**
   * A user asks for something that the database has.
   * @throws ChatError `too_many_requests`
   */
  ask(user: number): void;
  /** The same of a request, behind `auth.required`. */
  asked(request: FastifyRequest): Promise<void>;
  /** Makes of what handles frames what handles those of one connection, and none faster than they may come. */
  paced<C>(dispatch: Dispatch<C>): Dispatch<C>;
}

/** What users have taken of late: who isn't in it any more has worked all of it off. */
const takenBy = () => new Cache<number, Allowance>({ entries: RATES.countedUsers, ageMs: RATES.burstMs });

/** How often anybody may try, send and ask. */
export default fp(
  async (app) => {
    const { bus, clock, config, hub, log } = app;
    const isOn = config.LIMITS === 'on';
    const sends = { price: priceOf(config.SENDS_PER_SECOND, RATES.sendBytes), taken: takenBy() };
    const questions = { price: priceOf(RATES.questions), taken: takenBy() };
    const frames = priceOf(RATES.frames, RATES.frameBytes);
    const refused = { sends: 0, questions: 0 };

    /** @throws ChatError `too_many_requests` */
    const take = (
      { price, taken }: { price: Price; taken: Cache<number, Allowance> },
      what: keyof typeof refused,
      user: number,
      bytes: number,
    ) => {
      const { now } = clock;
      let allowance = taken.get(user);
      if (allowance === undefined) {
        allowance = new Allowance();
        taken.set(user, allowance);
      }
      const wait = allowance.wait(price, bytes, now);
      if (wait <= 0) return allowance.take(price, bytes, now);
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
    const doors = new Doors(
      clock,
      config,
      async (request, user) => (await limits.knows?.(request, user)) === true,
      tell,
    );
    hub.router.onFailed = ({ replica, keys }) => {
      if (replica !== bus.replica) doors.failedElsewhere(keys);
    };

    const limits: Limits = {
      knows: undefined,
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
      ask(user) {
        if (isOn) take(questions, 'questions', user, 0);
      },
      async asked({ claims }) {
        limits.ask(claims.user_id);
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
  { name: 'limits', dependencies: ['config', 'clock', 'redis', 'hub'] },
);
