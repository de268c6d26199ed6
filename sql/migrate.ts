import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type postgres from 'postgres';
import { fillNameKeys, fillNameWords } from './users.js';

const FOLDER = new URL('./migrations/', import.meta.url);
/** Names our advisory lock among those of other programs in the same database. */
const LOCK = 0x63686174;

/**
 * Brings the database to this program's tables: forward only, each file once, all in one transaction, one replica at a time.
 * @returns names of the files that were applied now
 * @throws Error if a file that was applied earlier is not what it was, or the database is newer than this program
 */
export async function migrate(sql: postgres.Sql<{ bigint: number }>): Promise<string[]> {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.sql')).sort();
  const files = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, FOLDER), 'utf8');
      return { name, text, checksum: createHash('sha256').update(text).digest('hex') };
    }),
  );
  return sql.begin(async (tx) => {
    await tx`select set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)`;
    await tx`select pg_advisory_xact_lock(${LOCK})`;
    await tx`create table if not exists migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
    const rows = await tx<{ name: string; checksum: string }[]>`select name, checksum from migrations`;
    const applied = new Map(rows.map((row) => [row.name, row.checksum]));
    const unknown = rows.find((row) => !names.includes(row.name));
    if (unknown)
      throw new Error(
        `The database has the migration ${unknown.name}, which this version doesn't know: start a newer version.`,
      );
    const fresh = files.filter((file) => !applied.has(file.name));
    for (const file of files) {
      const was = applied.get(file.name);
      if (was !== undefined && was !== file.checksum)
        throw new Error(`The migration ${file.name} has changed since it was applied: restore that file.`);
    }
    for (const file of fresh) {
      await tx.unsafe(file.text);
      await tx`insert into migrations (name, checksum) values (${file.name}, ${file.checksum})`;
    }
    await fillNameKeys(tx);
    await fillNameWords(tx);
    return fresh.map((file) => file.name);
  });
}
