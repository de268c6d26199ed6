import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { lockDataDir, secretIn } from '../plugins/db/data-dir.js';
import { type Embedded, openEmbedded } from '../plugins/db/embedded.js';

function client({ socket }: Embedded) {
  const options = { socket, max: 1, onnotice: () => {}, backoff: false }; // `socket` is missing in its types
  return postgres(options);
}

/** What a second process does: this very file, started with a role and a folder. */
async function second(role: string, dir: string): Promise<void> {
  const tell = (word: unknown) => process.send?.(word);
  if (role === 'lock') {
    await lockDataDir(dir).then(
      () => tell('locked'),
      (error: Error) => tell(error.message),
    );
    setInterval(() => {}, 60_000);
    return;
  }
  const sql = client(await openEmbedded(dir));
  await sql`create table if not exists kept (n int primary key)`;
  for (let n = 1; ; n += 1) {
    await sql`insert into kept values (${n})`;
    tell(n);
  }
}

function start(t: Test, role: string, dir: string): ChildProcess {
  const child = fork(fileURLToPath(import.meta.url), [role, dir], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A database for one test; with `sql` on it. */
async function open(t: Test, dir: string, options = {}) {
  const embedded = await openEmbedded(dir, options);
  const sql = client(embedded);
  const close = async () => {
    await sql.end({ timeout: 1 }); // without one it waits for ever for a query that broke with its connection
    await embedded.close();
  };
  t.teardown(close);
  return { embedded, sql, close };
}

/** A lock file whose owner is dead. */
async function deadLock(dir: string, name: string): Promise<void> {
  const server = createServer();
  server.listen(join(dir, 'draft'));
  await once(server, 'listening');
  linkSync(join(dir, 'draft'), join(dir, name));
  server.close();
  await once(server, 'close');
}

const message = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: Error) => error.message,
  );

async function tests(): Promise<void> {
  t.setTimeout(300_000);
  const root = t.testdir();
  const shared = join(root, 'shared');

  await t.test('the ordinary client speaks to the embedded database', async (t) => {
    const { sql, embedded, close } = await open(t, shared);

    t.equal(statSync(shared).mode & 0o777, 0o700, 'the folder is its owner’s alone');
    for (const n of [1, 2, 3]) t.strictSame([...(await sql`select ${n}::int + 1 as n`)], [{ n: n + 1 }]);
    t.strictSame(
      [...(await sql`select ${['a', 'ü😀', '']}::text[] as a, ${[1, 2]}::int[] as b`)],
      [{ a: ['a', 'ü😀', ''], b: [1, 2] }],
    );
    const [app] = await sql`select current_setting('application_name') as name`;
    t.equal(app?.name, 'postgres.js', 'settings of the connection count');

    const big = 'x'.repeat(1024 * 1024);
    const [row] = await sql`select ${big}::text as big`;
    t.ok(row?.big === big, 'a value of 1 MB comes back');

    await t.rejects(sql`select 1 / ${0}::int`, { code: '22012' });
    await t.rejects(sql`select nonsense`, { code: '42703' });
    t.strictSame([...(await sql`select ${'good'}::text as after`)], [{ after: 'good' }]);
    const many = await Promise.allSettled(
      Array.from({ length: 300 }, (_, n) => sql`select 100 / (${n}::int % 3) as n`),
    );
    t.equal(
      many.filter(({ status }) => status === 'rejected').length,
      100,
      'each pipelined error is its own',
    );
    t.strictSame(
      many.flatMap((one) => (one.status === 'fulfilled' ? [one.value[0]?.n] : [])).slice(0, 4),
      [100, 50, 100, 50],
    );

    await sql`create table notes (n int primary key, note text)`;
    await sql.begin(async (tx) => {
      await tx`insert into notes ${tx([
        { n: 1, note: 'one' },
        { n: 2, note: 'two' },
      ])}`;
      await t.rejects(
        tx.savepoint((inner) => inner`insert into notes values (1, 'again')`),
        { code: '23505' },
      );
    });
    await t.rejects(
      sql.begin(async (tx) => {
        await tx`insert into notes values (3, 'three')`;
        throw new Error('changed my mind');
      }),
      { message: 'changed my mind' },
    );
    t.strictSame([...(await sql`select n from notes order by n`)], [{ n: 1 }, { n: 2 }]);

    const before = await embedded.fsyncs();
    for (let n = 10; n < 30; n += 1) await sql`insert into notes values (${n}, 'durable')`;
    t.equal((await embedded.fsyncs()) - before, 20, 'each commit is confirmed by the disk');
    await close();
    await close();
    t.strictSame(readdirSync(shared), ['db'], 'closing leaves no lock behind');
  });

  await t.test('what was stored is there after closing and opening', async (t) => {
    const { sql } = await open(t, shared);
    t.strictSame(
      [...(await sql`select count(*)::int as n, max(note) as note from notes`)],
      [{ n: 22, note: 'two' }],
    );
  });

  await t.test('a new connection starts afresh, whatever state the last one was left in', async (t) => {
    const { sql, embedded } = await open(t, shared);
    const socket = await embedded.socket();
    socket.resume();
    t.equal(await message(sql`select 1`), 'no error', 'the first connection holds the engine');
    socket.write(Buffer.from('\0\0\0\x17\0\x03\0\0user\0postgres\0\0', 'latin1'));
    const [refused] = await once(socket, 'data');
    t.match(String(refused), /53300.*one connection at a time/, 'a second one at the same time is refused');
    await sql.end();

    const left = client(embedded);
    await left`set search_path = pg_catalog`;
    await left`select ${1}::int as n`;
    const lock = left.begin((tx) =>
      tx`insert into public.notes values (99, 'never')`.then(() => tx`select pg_sleep(0.2)`),
    );
    lock.catch(() => {});
    await left.end({ timeout: 0 });
    const next = client(embedded);
    t.strictSame(
      [
        ...(await next`select count(*)::int as n, current_setting('search_path') as path from notes where n = 99`),
      ],
      [{ n: 0, path: 'public' }],
    );
    t.strictSame(
      [...(await next`select name from pg_prepared_statements where statement like '%::int as n'`)],
      [],
    );
    await next.end();
  });

  await t.test('the log and the dead rows of a long run are cleaned away', async (t) => {
    const { sql } = await open(t, shared, { upkeepMs: 20 });
    await sql`create table bulk (n int, filler text)`;
    const [start] = await sql`select redo_lsn::text as lsn from pg_control_checkpoint()`;
    await sql`insert into bulk select n, repeat('x', 1000) from generate_series(1, 70000) n`;
    await until(
      async () =>
        (await sql`select redo_lsn::text as lsn from pg_control_checkpoint()`)[0]?.lsn !== start?.lsn,
    );
    await sql`delete from bulk where n % 2 = 0`;
    await until(async () => {
      const [stats] = await sql`select n_dead_tup::int as dead, vacuum_count::int as vacuums
        from pg_stat_user_tables where relname = 'bulk'`;
      return stats?.dead === 0 && stats.vacuums > 0;
    });
    t.strictSame([...(await sql`select count(*)::int as n from bulk`)], [{ n: 35_000 }]);
    await sql`drop table bulk`;
  });

  await t.test('an engine that dies says so, and nobody waits for ever', async (t) => {
    const { sql, embedded, close } = await open(t, shared);
    await sql`insert into notes values (50, 'before the crash')`;
    const fatal = new Promise<Error>((resolve) => embedded.onFatal(resolve));
    // COPY FROM STDIN needs more input in the middle of a call, which this engine can't get.
    const broken = [sql`copy notes from stdin`.simple(), sql`select 1`].map(message);
    const { message: sentence } = await fatal;
    t.match(sentence, /^The embedded database in .* has stopped: FATAL: /);
    t.strictSame(await Promise.all(broken), [sentence, sentence]);
    t.equal(await message(sql`select 1`), sentence, 'later queries fail as well');
    t.equal(
      await new Promise<Error>((resolve) => embedded.onFatal(resolve)).then((e) => e.message),
      sentence,
    );
    await close();

    const again = await open(t, shared);
    t.strictSame([...(await again.sql`select note from notes where n = 50`)], [{ note: 'before the crash' }]);
  });

  await t.test(
    'every acknowledged commit is there after kill -9, and the next start just works',
    async (t) => {
      const child = start(t, 'write', shared);
      let acknowledged = 0;
      child.on('message', (n) => {
        if (typeof n === 'number') acknowledged = n; // the test runner talks here too
      });
      await until(async () => acknowledged > 0);
      const link = join(root, 'link');
      symlinkSync(shared, link);
      const sentence = (dir: string) =>
        `The data folder ${dir} is already in use by process ${child.pid}: stop that one first, or set DATA_DIR to another folder.`;
      t.equal(await message(openEmbedded(shared)), sentence(shared), 'a second process is refused');
      t.equal(await message(lockDataDir(link)), sentence(link), 'by another path as well');
      await until(async () => acknowledged >= 300);
      await kill(child);
      t.ok(readdirSync(shared).includes('lock.1'), 'the dead process left its lock');

      const { sql } = await open(t, shared);
      const [kept] = await sql`select count(*)::int as rows, max(n) as last from kept`;
      t.ok(kept?.last >= acknowledged, `${acknowledged} acknowledged, ${kept?.last} kept`);
      t.equal(kept?.rows, kept?.last, 'and none is missing between them');
      t.strictSame(readdirSync(shared).sort(), ['db', 'lock.2'], 'the dead lock is cleaned away');
    },
  );

  await t.test(
    'a making of the database that an earlier version left unfinished is begun anew',
    async (t) => {
      const dir = join(root, 'cut');
      mkdirSync(join(dir, 'db', 'base', '5'), { recursive: true });
      writeFileSync(join(dir, 'db', 'PG_VERSION'), '18\n');
      writeFileSync(join(dir, 'db', 'base', '5', '1259'), '');
      t.match(await message(openEmbedded(dir)), /^The embedded database in .*cut can't start: /);
      writeFileSync(join(dir, 'db.unfinished'), '');
      mkdirSync(join(dir, 'db.new'));
      const { sql } = await open(t, dir);
      t.strictSame([...(await sql`select 1 as n`)], [{ n: 1 }]);
      t.strictSame(readdirSync(dir).sort(), ['db', 'lock.1']);
    },
  );

  await t.test('a mark of an unfinished making beside a database with tables deletes nothing', async (t) => {
    writeFileSync(join(shared, 'db.unfinished'), '');
    const { sql } = await open(t, shared);
    t.strictSame([...(await sql`select note from notes where n = 50`)], [{ note: 'before the crash' }]);
    t.notOk(existsSync(join(shared, 'db.unfinished')));
  });

  await t.test(
    'a database that is missing beside its secret is begun anew only if somebody says so',
    async (t) => {
      const dir = join(root, 'missing');
      await secretIn(dir);
      t.match(
        await message(openEmbedded(dir)),
        /can't start: .*db is missing, though jwt-secret beside it says that there was a database: .*--new$/,
      );
      t.strictSame(readdirSync(dir), ['jwt-secret'], 'nothing was made');
      const { sql } = await open(t, dir, { anew: true });
      t.strictSame([...(await sql`select 1 as n`)], [{ n: 1 }]);
    },
  );

  await t.test('files that are no database are left alone', async (t) => {
    const dir = join(root, 'foreign');
    mkdirSync(join(dir, 'db'), { recursive: true });
    writeFileSync(join(dir, 'db', 'letter.txt'), 'dear');
    t.match(await message(openEmbedded(dir)), /holds files but no database: /);
    t.strictSame(readdirSync(join(dir, 'db')), ['letter.txt']);
    t.strictSame(readdirSync(dir), ['db'], 'and the folder is let go');
  });

  await t.test('of many who start at once exactly one gets the folder', async (t) => {
    const dir = join(root, 'race');
    mkdirSync(dir);
    const counts: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      if (round % 3 > 0) await deadLock(dir, 'lock.7');
      if (round % 3 > 1) await deadLock(dir, 'lock.8');
      const starts = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dir)));
      const winners = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      counts.push(winners.length);
      await Promise.all(winners.map((release) => release()));
    }
    t.strictSame(counts, Array(30).fill(1));
    t.strictSame(readdirSync(dir), []);
    const children = [1, 2, 3].map(() => start(t, 'lock', dir));
    const words: string[] = [];
    for (const child of children) child.on('message', (word) => typeof word === 'string' && words.push(word));
    await until(async () => words.length === 3);
    t.equal(words.filter((word) => word === 'locked').length, 1);
    t.equal(words.filter((word) => /already in use/.test(word)).length, 2);
    await Promise.all(children.map(kill));
    await (await lockDataDir(dir))();
  });

  await t.test('a folder with a long path can be locked', async (t) => {
    const dir = join(root, 'deep'.repeat(20), 'deeper'.repeat(20));
    const release = await lockDataDir(dir);
    t.match(await message(lockDataDir(dir)), /is already in use by process/);
    await release();
    await release();
    t.strictSame(readdirSync(dir), []);
  });

  await t.test('the secret is made once and kept to its owner', async (t) => {
    const dir = join(root, 'secret');
    const made = await Promise.all(Array.from({ length: 8 }, () => secretIn(dir)));
    t.match(made[0], /^[\w-]{43}$/);
    t.equal(new Set([...made, await secretIn(dir)]).size, 1);
    t.equal(statSync(join(dir, 'jwt-secret')).mode & 0o777, 0o600);
    t.strictSame(readdirSync(dir), ['jwt-secret']);
    writeFileSync(join(dir, 'jwt-secret'), 'short\n');
    t.match(await message(secretIn(dir)), /jwt-secret is too short to be a secret/);
    t.match(await message(secretIn('/proc/nothing/here')), /^The data folder .* can't be used \(ENOENT/);
    writeFileSync(join(dir, 'file'), '');
    t.match(await message(secretIn(join(dir, 'file'))), /^The data folder .* can't be used \(EEXIST/);
  });
}

const [role, dir] = process.argv.slice(2);
if (role && dir) await second(role, dir);
else await tests();
