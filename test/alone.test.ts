/** A version with a migration that no other may run beside, as a process of its own on the embedded database. */
import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { builtServer, startProcess } from './process.js';

t.setTimeout(300_000);

const ALONE = '-- alone: no instance of an earlier version may run while this is applied.';
const server = await builtServer(t);
const folder = t.testdir();
const data = join(folder, 'data');
const migration = (name: string) => join(dirname(server), 'sql/migrations', name);
const env = { DATA_DIR: data, HOST: '127.0.0.1', PORT: '0', DRAIN_SECONDS: '0' };
const run = (...args: string[]) => startProcess(t, server, env, folder, { args });

/** Starts it, does something with its address, and stops it. */
async function session(t: Test, work: (url: string) => Promise<void> = async () => {}): Promise<void> {
  const process = run();
  const [, url = ''] = await process.says(/ready: open (\S+) /);
  await work(url);
  process.signal('SIGTERM');
  t.equal(await process.ended, 0);
}
/** How a start or a task that ends by itself ends, and what it wrote. */
async function outcome(...args: string[]): Promise<[number | string, string]> {
  const process = run(...args);
  return [await process.ended, process.output()];
}
const register = (t: Test, username: string, status: number) => async (url: string) => {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password: 'a password' }),
  };
  t.equal((await fetch(`${url}/register`, init)).status, status, username);
};
const folders = async () => (await readdir(data)).filter((name) => name.startsWith('db')).sort();

await t.test('where there is no database, everything is pending, and asking makes none', async (t) => {
  const names = await readdir(migration(''));
  t.strictSame(await outcome('--pending'), [
    0,
    names
      .sort()
      .map((name) => `${name}\n`)
      .join(''),
  ]);
  t.notOk(existsSync(data));
});

await t.test(
  'a new database is not copied, and neither is one for a migration without the mark',
  async (t) => {
    await writeFile(migration('0097_old.sql'), `${ALONE}\nselect 1;\n`);
    await session(t);
    t.strictSame(await outcome('--pending'), [0, '']);
    await writeFile(migration('0098_beside.sql'), `\n${ALONE}\nselect 1;\n`);
    t.strictSame(await outcome('--pending'), [0, '0098_beside.sql\n'], 'the mark is the first line or none');
    await session(t, register(t, 'anna', 200));
    t.strictSame(await folders(), ['db']);
  },
);

await t.test('where there is no room for the copy, the start ends with a sentence', async (t) => {
  await writeFile(migration('0099_forms.sql'), `${ALONE}\nalter table users rename to people;\n`);
  await writeFile(join(data, 'db/huge'), '');
  await truncate(join(data, 'db/huge'), 15e12);
  const [code, said] = await outcome();
  t.equal(code, 1);
  t.match(
    said,
    /^The database can't be copied to \S+db\.before-0099_forms before it is changed: it takes [\d,]+ MB, and [\d,]+ MB are free\. Make room, and start again\.$/m,
  );
  await rm(join(data, 'db/huge'));
  t.strictSame(await folders(), ['db']);
});

await t.test('a migration that fails leaves the copy, and the next start makes it anew', async (t) => {
  const [code, said] = await outcome();
  t.equal(code, 1, 'what this program asks for afterwards is not there');
  t.match(said, /is kept in \S+db\.before-0099_forms, to go back/);
  t.strictSame(await folders(), ['db', 'db.before-0099_forms']);
  await writeFile(migration('0099_forms.sql'), `${ALONE}\nalter table users add column form int;\n`);
});

await t.test('the copy is there until the next start, and the version before runs on it', async (t) => {
  t.strictSame(await outcome('--pending'), [0, '0099_forms.sql alone\n'], 'nothing was applied');
  await session(t, register(t, 'ben', 200));
  t.strictSame(await folders(), ['db', 'db.before-0099_forms']);
  t.equal((await stat(join(data, 'db.before-0099_forms'))).mode & 0o777, 0o700, 'it is its owner’s alone');

  await rename(join(data, 'db'), join(data, 'newer'));
  await rename(join(data, 'db.before-0099_forms'), join(data, 'db'));
  await rename(migration('0099_forms.sql'), join(folder, '0099_forms.sql'));
  await session(t, async (url) => {
    await register(t, 'anna', 409)(url);
    await register(t, 'ben', 200)(url);
  });
  await rename(join(folder, '0099_forms.sql'), migration('0099_forms.sql'));
});

await t.test('it can be applied without a start, with a copy too', async (t) => {
  const [code, said] = await outcome('--migrate');
  t.equal(code, 0);
  t.match(said, /is kept in \S+db\.before-0099_forms, .*\n0099_forms\.sql\n$/);
  t.strictSame(await folders(), ['db', 'db.before-0099_forms']);
  await session(t);
  t.strictSame(await folders(), ['db'], 'the start after that deletes the copy');
  t.strictSame(await outcome('--migrate'), [0, '']);
});

await t.test('a database of a newer version is refused', async (t) => {
  await rm(migration('0099_forms.sql'));
  const [code, said] = await outcome('--pending');
  t.equal(code, 1);
  t.match(said, /The database has the migration 0099_forms\.sql, which this version doesn't know/);
});
