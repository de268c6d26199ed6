import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { identify } from '../../sql/epoch.js';
import { pendingMigrations } from '../../sql/migrate.js';
import { Accounts } from '../accounts.js';
import { Passwords } from '../auth/passwords.js';
import { namespaceOf } from '../bus/bus.js';
import { pack } from '../bus/parcel.js';
import { examineRedis } from '../bus/redis-start.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config.js';
import { deadline } from '../db/lanes.js';
import { openDatabase } from '../db/open.js';
import { postgresVersion, versions } from './versions.js';
import { type Answer, runVerb } from './words.js';

/** Seconds that PostgreSQL is waited for, milliseconds for an answer, and connections that the look at it counts with. */
const WAIT_SECONDS = 5;
const ANSWER_MS = 30_000;
const POOL = 2;

/**
 * Does what somebody typed at the database that servers are on, whether any runs or not.
 * @throws Error with a sentence where the database can't be used
 */
export async function atDatabase(config: Settings, words: string[]): Promise<Answer> {
  const log = pino({ level: 'silent' });
  const few = { ...config, STARTUP_WAIT_SECONDS: WAIT_SECONDS, DB_POOL: POOL };
  const { sql } = await openDatabase(few, log);
  const passwords = new Passwords();
  const warnings: string[] = [];
  try {
    if ((await pendingMigrations(sql)).length > 0)
      throw new Error('The database is not as this version has it: start a server of this version first.');
    const lanes = {
      ask: <T>(question: (handle: typeof sql) => Promise<T>) => deadline(question(sql), ANSWER_MS),
    };
    const accounts = new Accounts({
      config,
      log,
      lanes,
      passwords,
      async ring(users) {
        await tell(config, namespaceOf((await identify(sql, undefined)).database), users).catch(() => {
          warnings.push('Redis (REDIS_ADDR) is away: servers hear of it within three seconds.');
        });
      },
    });
    const answer = await runVerb(words, {
      accounts,
      ask: lanes.ask,
      async state() {
        const nodes = config.redisNodes;
        const troubles = await Promise.all(nodes.map((node) => examineRedis(node, nodes.length > 1)));
        const trouble = troubles.find((one) => one !== undefined);
        const bus = nodes.length === 0 ? 'none' : (trouble?.sentence ?? 'Redis works');
        return {
          works: trouble === undefined,
          lines: [...versions(), `database: PostgreSQL ${await postgresVersion(sql)} works`, `bus: ${bus}`],
        };
      },
    });
    return { ...answer, lines: [...answer.lines, ...warnings] };
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), passwords.close()]);
  }
}

/** Tells all servers that what they keep of users may be another by now. */
async function tell(config: Settings, namespace: string, users: readonly number[]): Promise<void> {
  if (config.redisNodes.length === 0) return;
  const { RedisBus } = await import('../bus/redis-bus.js');
  const clock = new Clock();
  const bus = new RedisBus(`admin.${randomBytes(6).toString('base64url')}`, {
    nodes: config.redisNodes,
    namespace,
    leaseMs: 1000,
    log: pino({ level: 'silent' }),
    clock,
  });
  try {
    await deadline(bus.connect(), WAIT_SECONDS * 1000);
    await bus.listen({ message() {}, up() {} });
    await bus.broadcast(pack({ users }));
  } finally {
    await bus.close();
    clock.close();
  }
}
