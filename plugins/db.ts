import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { forgetForeignBatches } from '../sql/batches.js';
import { identify } from '../sql/epoch.js';
import { forgetForeignRings } from '../sql/sessions.js';
import { type Db, HELD_LANES } from './db/handle.js';
import { History } from './db/history.js';
import type { Hosts } from './db/hosts.js';
import { type Client, Lanes } from './db/lanes.js';
import { bringUp, IDLE_SECONDS, LOG_LOCK_MS, type Open, openDatabase } from './db/open.js';

declare module 'fastify' {
  interface FastifyInstance {
    db: Db;
  }
}

type Pool = Pick<Db, 'requests' | 'delivery' | 'log' | 'changes' | 'held' | 'late'> & {
  end(): Promise<unknown>;
};

/** The embedded engine has one connection: all wait for it, and what is to be stored before everything else. */
function oneLane(sql: Client, history: History): Pool {
  const only = new Lanes(1, () => sql, { renewable: false, history });
  const { first } = only;
  return {
    requests: only,
    delivery: only,
    log: first,
    changes: first,
    held: first,
    late: () => only.late,
    end: () => only.end(),
  };
}

/** @param count lanes, those for appends left out */
function poolOf(open: Open, hosts: Hosts, count: number, history: History): Pool {
  // Where one connection died without a word, the others probably did too.
  const onLate = () => {
    for (const lanes of Object.values(pool)) lanes.renew();
  };
  const delivery = Math.ceil(count / 3);
  const options = { renewable: true, onLate, history, hosts };
  const pool = {
    requests: new Lanes(count - delivery, (onClose) => open({ onClose }), options),
    delivery: new Lanes(delivery, (onClose) => open({ onClose }), options),
    log: new Lanes(1, (onClose) => open({ lockMs: LOG_LOCK_MS, onClose }), options),
    changes: new Lanes(
      1,
      (onClose) => open({ lockMs: LOG_LOCK_MS, idleSeconds: IDLE_SECONDS, onClose }),
      options,
    ),
    held: new Lanes(HELD_LANES, (onClose) => open({ idleSeconds: IDLE_SECONDS, onClose }), options),
  };
  const all = Object.values(pool);
  return {
    ...pool,
    late: () => all.reduce((sum, { late }) => sum + late, 0),
    end: () => Promise.all(all.map((lanes) => lanes.end())),
  };
}

/**
 * Opens the database: the embedded one, or the PostgreSQL at `DB_URL`, which is waited for. Migrates it, and decorates the
 * instance with it.
 */
export default fp<{ beside?: FastifyInstance | undefined }>(
  async (app, { beside }) => {
    const { config, log } = app;
    if (beside !== undefined && config.embedded) {
      app.decorate('db', { ...beside.db });
      return;
    }
    const opened = await openDatabase(config, log);
    const { open, hosts, sql, embedded, firstAnswer } = opened;
    const applied = await bringUp(opened, log);
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    // Once it is up: a version that fails and is started again must not take the way back along.
    else if (embedded) app.addHook('onListen', () => embedded.forgetCopies());
    await firstAnswer(() => forgetForeignBatches(sql));
    await firstAnswer(() => forgetForeignRings(sql));
    const place = embedded && (await stat(join(config.DATA_DIR, 'db', 'PG_VERSION'), { bigint: true })).ino;
    const identity = await firstAnswer(() => identify(sql, place?.toString()));
    const [version] = await firstAnswer(
      () => sql<[{ v: string }]>`select current_setting('server_version') as v`,
    );
    let die: (error: Error) => void = () => {};
    const dead = new Promise<Error>((resolve) => {
      embedded?.onFatal(resolve);
      die = resolve;
    });
    const history = new History();
    void history.over.then(die);
    const { end, ...lanes } = embedded ? oneLane(sql, history) : poolOf(open, hosts, config.DB_POOL, history);
    const db: Db = {
      ...lanes,
      sql,
      engine: `${embedded ? 'embedded PostgreSQL' : 'PostgreSQL'} ${version.v.split(' ')[0]}`,
      ...identity,
      history,
      age: opened.age,
      dead,
      giveUp: (error) => {
        if (embedded) die(error);
      },
    };
    app.decorate('db', db);
    app.addHook('onClose', async () => {
      await Promise.all([sql.end({ timeout: 5 }), end()]);
      await embedded?.close();
    });
  },
  { name: 'db', dependencies: ['config', 'errors'] },
);
