/** PostgreSQL that answers, and stores nothing: read-only, or with nowhere to write. */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import t from 'tap';
import { connectSynced, eventually } from '../helper.js';
import { type Postgres, startPostgres } from '../nodes/postgres.js';
import { startRedis } from '../nodes/redis.js';
import { ask, signUpOutside, startOutside } from './outside.js';

t.setTimeout(240_000);
const MB = 1_048_576;
/** How long nothing can be stored. */
const REFUSING_MS = 6000;
/** A content that no page has room for by chance, and that doesn't get smaller. */
const bulky = () => randomBytes(4500).toString('base64');

const faults: {
  name: string;
  diskBytes?: number;
  begin(database: Postgres): Promise<unknown>;
  end(database: Postgres): Promise<unknown>;
}[] = [
  {
    name: 'is read-only',
    begin: (database) =>
      database.command('alter system set default_transaction_read_only = on', 'select pg_reload_conf()'),
    end: (database) =>
      database.command('alter system reset default_transaction_read_only', 'select pg_reload_conf()'),
  },
  {
    name: 'has a full disk',
    diskBytes: 128 * MB,
    begin: async (database) => database.disk?.fill(),
    end: async (database) => database.disk?.free(),
  },
  {
    name: 'may write no longer files',
    // Its own log needs segments of 16 MB.
    begin: (database) => database.limitFiles(17 * MB),
    end: (database) => database.limitFiles(undefined),
  },
];

for (const { name, diskBytes, begin, end } of faults)
  t.test(`while PostgreSQL ${name} sends are refused at once, and nothing says otherwise`, async (t) => {
    const database = await startPostgres(diskBytes === undefined ? {} : { diskBytes });
    t.teardown(() => database.stop());
    if (diskBytes !== undefined && database.disk === undefined) {
      t.comment('no disk can be mounted here: that it is full is not tried');
      t.pass('the next one stands for it');
      return;
    }
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const url = await database.createDatabase();
    const server = await startOutside(t, { DB_URL: url, REDIS_ADDR: redis.addr });
    const [alice, bob] = [await signUpOutside(server), await signUpOutside(server)];
    const a = await connectSynced(t, server, alice);
    const told = new Set<string>();
    const refused = new Set<string>();
    const wrong: string[] = [];
    const sent = new Map<string, number>();
    let begun = Number.POSITIVE_INFINITY;
    const judge = (what: string, since: number, stored: boolean, code: string) => {
      (stored ? told : refused).add(what);
      const ms = Math.round(performance.now() - since);
      const right = stored || code === 'unavailable';
      if (since > begun && !(right && ms < 1000))
        wrong.push(`${what}: ${stored ? 'sent' : code} after ${ms} ms`);
    };
    a.socket.on('message', () => {
      const { type, id, code } = a.frames.at(-1);
      const since = sent.get(id);
      if (since !== undefined) judge(id, since, type === 'sent', code);
    });
    let n = 0;
    const send = () => {
      const id = `s${++n}`;
      sent.set(id, performance.now());
      a.send('chat', { id, to_user_id: bob.user_id, content: bulky() });
    };
    const post = async () => {
      const id = `h${++n}`;
      const since = performance.now();
      const body = { id, to_user_id: bob.user_id, content: bulky() };
      const answer = await ask(server, 'POST', '/api/messages', { token: alice.token, body });
      judge(id, since, answer.status === 200, answer.body.error);
    };
    // A table's file is longer than the limit of the last fault.
    for (let i = 0; i < 3500; i++) send();
    await eventually(() => told.size === 3500, 'not all are stored before', 60_000);

    await begin(database);
    begun = performance.now();
    await eventually(() => {
      send();
      return refused.size > 0;
    }, 'nothing is refused');
    const since = performance.now();
    const states: number[] = [];
    while (performance.now() - since < REFUSING_MS) {
      send();
      states.push((await ask(server, 'GET', '/readyz')).status);
      await post();
      await wait(50);
    }
    t.strictSame([...new Set(states)], [503], '/readyz does not say ready');
    const back = () => server.process.output().match(/is back/g)?.length ?? 0;
    t.equal(back(), 0, 'nor does the log');

    await end(database);
    const ended = performance.now();
    await eventually(async () => {
      const before = told.size;
      await post();
      return told.size > before;
    }, 'nothing is stored again');
    await eventually(
      async () => (await ask(server, 'GET', '/readyz')).status === 200,
      'it is not ready again',
    );
    t.ok(performance.now() - ended < 5000, 'soon after');
    await eventually(() => told.size + refused.size === n, 'not all are answered', 20_000);
    t.strictSame(wrong.slice(0, 10), [], 'each is answered within a second, and refused as not stored');
    t.equal(back(), 1, 'it says so once');

    const sql = postgres(url, { max: 1, onnotice: () => {} });
    const rows = await sql<{ client_id: string }[]>`select client_id from messages`;
    await sql.end();
    t.strictSame(rows.map((row) => row.client_id).sort(), [...told].sort(), 'what was told is true');
  });
