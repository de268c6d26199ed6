import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { openEmbedded } from '../plugins/db/embedded.js';

t.setTimeout(300_000);

/** Opens the database of a folder; `ages` are those that its upkeep tells. */
async function open(t: Test, dir: string, upkeepMs: number) {
  const ages: number[] = [];
  const embedded = await openEmbedded(dir, { upkeepMs, onAge: (age) => ages.push(age) });
  const { socket } = embedded;
  const options = { socket, max: 1, user: 'postgres', onnotice: () => {} };
  const sql = postgres(options);
  const close = async () => {
    await sql.end({ timeout: 1 });
    await embedded.close();
  };
  t.teardown(close);
  return { sql, ages, close };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  }
  return ~sum >>> 0;
}

/**
 * Sets the next transaction's number in a database that was shut down, as pg_resetwal would; a multiple of 32,768, so that
 * the page of its outcome is begun with it.
 */
async function setNextNumber(dir: string, next: bigint): Promise<void> {
  const path = join(dir, 'db/global/pg_control');
  const control = await readFile(path);
  let end = 64;
  while (crc32c(control.subarray(0, end)) !== control.readUInt32LE(end)) end += 4;
  control.writeBigUInt64LE(next, 64);
  control.writeUInt32LE(crc32c(control.subarray(0, end)), end);
  await writeFile(path, control);
}

t.test(
  'a database whose transaction numbers are nearly used up still writes, and comes out of it',
  async (t) => {
    const dir = join(t.testdir(), 'data');
    const first = await open(t, dir, 3_600_000);
    await first.sql`create table notes (n int primary key, note text)`;
    await first.sql`insert into notes values (1, 'old')`;
    // As a database of an earlier version has them.
    await first.sql`create database template1 template postgres is_template true`;
    await first.close();

    await setNextNumber(dir, 2_140_012_544n);
    const { sql, ages } = await open(t, dir, 20);
    await sql`insert into notes values (2, 'new')`;
    await until(() => ages.length > 0 && (ages.at(-1) ?? 0) < 1000);
    t.ok((ages[0] ?? 0) > 500_000_000, `it began at ${ages[0]}`);
    await sql`insert into notes values (3, 'later')`;
    t.strictSame([...(await sql`select n from notes order by n`)], [{ n: 1 }, { n: 2 }, { n: 3 }]);
  },
);

t.test('what came before a restart is looked after, too', async (t) => {
  const dir = join(t.testdir(), 'data');
  const first = await open(t, dir, 3_600_000);
  await first.sql`create table notes (n int primary key, note text)`;
  await first.sql`insert into notes select n, repeat('x', 100) from generate_series(1, 5000) n`;
  await first.sql`delete from notes where n > 10`;
  await first.close();

  const { sql } = await open(t, dir, 20);
  const [pages] = await sql`select pg_relation_size('notes') / 8192 as pages`;
  const cleared = async () => {
    const [row] = await sql`select vacuum_count::int as n from pg_stat_user_tables where relname = 'notes'`;
    return row?.n > 0;
  };
  while (!(await cleared())) await new Promise((resolve) => setTimeout(resolve, 20));
  await sql`insert into notes select n, repeat('y', 100) from generate_series(11, 5000) n`;
  const [after] = await sql`select pg_relation_size('notes') / 8192 as pages`;
  t.ok(
    Number(after?.pages) <= Number(pages?.pages) + 1,
    `${pages?.pages} pages before, ${after?.pages} after`,
  );
});
