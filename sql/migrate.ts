import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type postgres from 'postgres';
import { fillNameKeys, fillNameWords, fillSkeletons } from './users.js';

const FOLDER = new URL('./migrations/', import.meta.url);
/** Names our advisory lock among those of other programs in the same database. */
const LOCK = 0x63686174;

/** Forms that a migration had on `main` for some hours before it was settled, and what makes today's tables of theirs. */
const EARLIER: Record<string, { checksums: string[]; mend: string }> = {
  '0001_log.sql': {
    checksums: [
      'a94e7d45d883332406973eda8ca8619d903b3980735b965b18af85a5d61f825a',
      'c1f0110d57abcb62996a7b06f75943262a4754dfa64238408d08972630aca357',
      'c8f8ad92f0de1157f2caa1acee80ebb909c53af5bdb3de1c3069490b79c00da4',
    ],
    mend: `
      drop index if exists conversations_user_b;
      create index conversations_user_b on conversations (user_b) where user_a <> user_b;
      delete from members where read_seq = 0;
      alter table installation add column if not exists place text;`,
  },
};

/** What a migration begins with that no server of an earlier version may run beside, since it would lose or spoil what is stored. */
const ALONE = '-- alone: no instance of an earlier version may run while this is applied.\n';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** A migration's checksum, the same whatever ends its lines: a checkout may have written them anew. */
export const checksumOf = (text: string) => sha256(text.replaceAll('\r\n', '\n'));

async function migrationsIn(folder: URL) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = (await readFile(new URL(name, folder), 'utf8')).replaceAll('\r\n', '\n');
      return { name, text, checksum: checksumOf(text) };
    }),
  );
}

/** @throws Error if the database has a migration that isn't among ours */
function refuseNewer(rows: { name: string }[], files: { name: string }[]): void {
  const unknown = rows.find((row) => !files.some(({ name }) => name === row.name));
  if (unknown)
    throw new Error(
      `The database has the migration ${unknown.name}, which this version doesn't know: start a newer version.`,
    );
}

/**
 * What `migrate` would apply; changes nothing. `alone`: servers of earlier versions have to be stopped first, which can only
 * be there where one of them has migrated before.
 * @param sql nothing where there is no database yet
 * @throws Error if the database is newer than this program
 */
export async function pendingMigrations(
  sql: postgres.Sql<{ bigint: number }> | undefined,
  folder = FOLDER,
): Promise<{ name: string; alone: boolean }[]> {
  const files = await migrationsIn(folder);
  const [table] = sql ? await sql`select to_regclass('migrations') is not null as there` : [];
  const rows = sql && table?.there ? await sql<{ name: string }[]>`select name from migrations` : [];
  refuseNewer(rows, files);
  return files
    .filter(({ name }) => !rows.some((row) => row.name === name))
    .map(({ name, text }) => ({ name, alone: rows.length > 0 && text.startsWith(ALONE) }));
}

/**
 * Brings the database to this program's tables: forward only, each file once, all in one transaction, one replica at a time.
 * @returns names of the files that were applied now
 * @throws Error if a file that was applied earlier is not what it was, or the database is newer than this program
 */
export async function migrate(sql: postgres.Sql<{ bigint: number }>, folder = FOLDER): Promise<string[]> {
  const files = await migrationsIn(folder);
  return sql.begin(async (tx) => {
    await tx`select set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true)`;
    await tx`select pg_advisory_xact_lock(${LOCK})`;
    await tx`create table if not exists migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
    const rows = await tx<{ name: string; checksum: string }[]>`select name, checksum from migrations`;
    const applied = new Map(rows.map((row) => [row.name, row.checksum]));
    refuseNewer(rows, files);
    const fresh: string[] = [];
    for (const { name, text, checksum } of files) {
      const was = applied.get(name);
      if (was === checksum) continue;
      const earlier = EARLIER[name];
      if (was === undefined) {
        await tx.unsafe(text);
        fresh.push(name);
      } else if (earlier?.checksums.includes(was)) await tx.unsafe(earlier.mend);
      // Versions before took the line ends along.
      else if (was !== sha256(text.replaceAll('\n', '\r\n')))
        throw new Error(`The migration ${name} has changed since it was applied: restore that file.`);
      await tx`insert into migrations (name, checksum) values (${name}, ${checksum})
        on conflict (name) do update set checksum = excluded.checksum`;
    }
    await fillNameKeys(tx);
    await fillNameWords(tx);
    await fillSkeletons(tx);
    return fresh;
  });
}
