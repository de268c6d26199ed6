import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import t from 'tap';
import { chromiumPath, firefoxPath } from '../nodes/find.js';
import { startNginx } from '../nodes/nginx.js';
import { startPostgres } from '../nodes/postgres.js';
import { execute, launch, makeFolder, processes, until } from '../nodes/process.js';
import { startRedis, startRedisCluster } from '../nodes/redis.js';

t.setTimeout(120_000);

/** What wins: the answer, or 300 ms of silence. */
const within = <T>(answer: Promise<T>) => Promise.race([answer, wait(300, 'silence' as const)]);

t.test('PostgreSQL', async (t) => {
  const server = await startPostgres({ settings: { work_mem: '5MB' } });
  t.teardown(() => server.stop());
  const url = await server.createDatabase();
  const connect = () => {
    const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
    t.teardown(() => sql.end({ timeout: 0 }));
    return sql;
  };

  await t.test(
    'gives an ordinary role that owns its databases, in UTF-8, with durable commits',
    async (t) => {
      const [row] = await connect()`select current_user as name, usesuper, usecreatedb,
      pg_get_userbyid(datdba) as owner, pg_encoding_to_char(encoding) as encoding,
      current_setting('fsync') as fsync, current_setting('work_mem') as work_mem
      from pg_user, pg_database where usename = current_user and datname = current_database()`;
      t.same(row, {
        name: 'app',
        usesuper: false,
        usecreatedb: true,
        owner: 'app',
        encoding: 'UTF8',
        fsync: 'on',
        work_mem: '5MB',
      });
    },
  );

  await t.test('does not run as root', async (t) => {
    const admin = postgres(server.adminUrl(), { max: 1 });
    t.teardown(() => admin.end());
    const [row] = await admin`select pg_read_file('postmaster.pid') as text`;
    const pid = String(row?.text).split('\n')[0];
    const { stdout } = await execute('ps', ['-o', 'user=', '-p', String(pid)]);
    t.not(stdout.trim(), 'root');
  });

  for (const how of ['fast', 'immediate'] as const) {
    await t.test(`keeps its data over a restart that is ${how}`, async (t) => {
      const sql = connect();
      await sql.unsafe(`create table ${how} as select 42 as answer`);
      await server.restart(how);
      t.same([...(await connect().unsafe(`select answer from ${how}`))], [{ answer: 42 }]);
    });
  }

  await t.test('keeps its data over a kill', async (t) => {
    await connect()`create table killed as select 42 as answer`;
    await server.kill9();
    await t.rejects(connect()`select 1`, { code: 'ECONNREFUSED' });
    await server.restart('fast');
    t.same([...(await connect()`select answer from killed`)], [{ answer: 42 }]);
  });

  await t.test('answers nothing while it is paused, and goes on afterwards', async (t) => {
    const sql = connect();
    await sql`select 1`;
    await server.pause();
    const answer = sql`select 43 as answer`.execute();
    t.equal(await within(answer), 'silence');
    await server.resume();
    t.same([...(await answer)], [{ answer: 43 }]);
  });
});

t.test('Redis', async (t) => {
  const server = await startRedis({ args: ['--maxmemory', '50mb'] });
  t.teardown(() => server.stop());

  await t.test('has 256 databases and takes settings', async (t) => {
    t.equal(await server.command('-n', '255', 'set', 'key', 'value'), 'OK');
    t.equal(await server.command('config', 'get', 'maxmemory'), 'maxmemory\n52428800');
  });

  await t.test('has forgotten everything after a restart', async (t) => {
    await server.command('set', 'key', 'value');
    await server.restart();
    t.equal(await server.command('dbsize'), '0');
  });

  await t.test('answers nothing while it is paused, and goes on afterwards', async (t) => {
    await server.pause();
    const answer = server.command('ping');
    t.equal(await within(answer), 'silence');
    await server.resume();
    t.equal(await answer, 'PONG');
  });

  await t.test('refuses connections once it is killed', async (t) => {
    await server.kill9();
    await t.rejects(server.command('ping'), /refused/);
  });
});

t.test('A failover of a Redis cluster moves a slot to another node and keeps its key', async (t) => {
  const cluster = await startRedisCluster();
  t.teardown(() => cluster.stop());
  t.equal(cluster.nodes.length, 6);
  const at = (addr: string) => cluster.nodes.find((node) => node.addr === addr);
  const slot = Number(await cluster.nodes[0]?.command('cluster', 'keyslot', 'key'));
  const before = await cluster.masterOf(slot);
  t.equal(await at(before)?.command('set', 'key', 'value'), 'OK');
  const { from, to } = await cluster.failover(slot);
  t.equal(from, before);
  t.not(to, before);
  t.equal(await cluster.masterOf(slot), to);
  t.equal(await at(to)?.command('get', 'key'), 'value');
  t.match(await at(from)?.command('get', 'key'), `MOVED ${slot} ${to}`);
});

t.test('Nginx', async (t) => {
  const config = (text: string) => (ports: number[]) =>
    `
    user www-data;
    worker_processes 1;
    error_log /dev/stderr notice;
    events {}
    http {
      include mime.types;
      access_log /dev/stdout;
      server { listen 127.0.0.1:${ports[0]}; location / { return 200 "${text}"; } }
      server { listen 127.0.0.1:${ports[1]}; location / { return 404; } }
    }`;
  const server = await startNginx(config('one'), { ports: 2 });
  t.teardown(() => server.stop());

  // A connection of its own each time, because an old one may belong to an old worker.
  const read = async () => (await fetch(server.url, { headers: { connection: 'close' } })).text();

  await t.test('serves on all its ports', async (t) => {
    t.equal(await read(), 'one');
    t.equal((await fetch(`http://127.0.0.1:${server.ports[1]}`)).status, 404);
    t.match(await server.output(), '"GET / HTTP/1.1" 404');
  });

  await t.test('serves its new configuration after a reload', async (t) => {
    await server.reload(config('two'));
    t.equal(await read(), 'two');
  });

  await t.test('says what is wrong with a configuration, and goes on with the old one', async (t) => {
    await t.rejects(
      server.reload(() => 'events {} http { nonsense; }'),
      /unknown directive "nonsense"/,
    );
    t.equal(await read(), 'two');
  });
});

t.test('A service that ends too soon shows what it said', async (t) => {
  const folder = await makeFolder('early');
  t.teardown(() => folder.remove());
  const start = launch({
    folder,
    command: '/bin/sh',
    args: ['-c', 'echo no such luck >&2; exit 3'],
    ready: async () => false,
  });
  await t.rejects(start, { message: '/bin/sh ended with code 3:\nno such luck\n' });
});

t.test('A test that is killed leaves no process and no folder behind', async (t) => {
  const source = `
    import { startRedis } from ${JSON.stringify(new URL('../nodes/redis.ts', import.meta.url))};
    const redis = await startRedis();
    const info = await redis.command('info', 'server');
    const dir = (await redis.command('config', 'get', 'dir')).split('\\n')[1];
    await redis.pause();
    console.log(JSON.stringify({ pid: Number(/process_id:(\\d+)/.exec(info)[1]), dir }));
    setInterval(() => {}, 1_000);`;
  const args = [...process.execArgv, '--input-type=module', '--eval', source];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const { pid, dir } = JSON.parse(line);
  const alive = async () => (await processes()).some((other) => other.pid === pid);
  t.equal(await alive(), true);
  t.equal(existsSync(dir), true);
  child.kill('SIGKILL');
  await until(
    async () => !(await alive()) && !existsSync(dir),
    () => `${pid} or ${dir} is still there`,
  );
});

t.test('Chromium is there', async (t) => {
  t.equal(existsSync(chromiumPath()), true);
  t.equal(existsSync(firefoxPath()), true);
});
