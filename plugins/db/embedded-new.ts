import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@electric-sql/pglite';

/**
 * The empty database that a build makes (build.mjs), for new ones to be copied from: making one runs a second program with a
 * memory of its own, which takes twice of what the server needs. Not there where the program runs from its source.
 */
const EMPTY = fileURLToPath(new URL('../../empty-db', import.meta.url));

/**
 * Makes an empty database in a folder that isn't there. Without the templates: nobody can reach them to freeze their
 * transaction numbers, which would end all writing after two thousand million.
 * @public build.mjs calls it
 */
export async function makeEmpty(dir: string): Promise<void> {
  const pg = await PGlite.create(dir);
  for (const name of ['template0', 'template1']) {
    await pg.exec(`update pg_database set datistemplate = false where datname = '${name}'`);
    await pg.exec(`drop database ${name}`);
  }
  await pg.exec('vacuum freeze');
  await pg.exec('checkpoint');
  await pg.close();
}

/**
 * Sees to it that `<folder>/db` is a database: makes one where there is none, whole or not at all.
 * @param anew make one even though the folder had one, by the secret beside it
 * @throws Error with a sentence if the folder has something else, or had a database
 */
export async function ensureDatabase(folder: string, anew: boolean): Promise<void> {
  const db = join(folder, 'db');
  // Earlier versions made it in its place, marked as long as it wasn't finished.
  const marker = join(folder, 'db.unfinished');
  if (existsSync(marker) && !hasTables(db)) rmSync(db, { recursive: true, force: true });
  rmSync(marker, { force: true });
  if (existsSync(join(db, 'PG_VERSION'))) return;
  if (existsSync(db) && readdirSync(db).length > 0)
    throw new Error(`${db} holds files but no database: move them away, or set DATA_DIR to another folder`);
  if (existsSync(join(folder, 'jwt-secret')) && !anew)
    throw new Error(
      `${db} is missing, though jwt-secret beside it says that there was a database: mount or restore the folder that has it, or begin with an empty one by starting once with --new`,
    );
  const draft = join(folder, 'db.new');
  rmSync(draft, { recursive: true, force: true });
  if (existsSync(EMPTY)) {
    mkdirSync(draft, { mode: 0o700 });
    cpSync(EMPTY, draft, { recursive: true });
  } else await makeEmpty(draft);
  identify(draft);
  fsyncTree(draft);
  rmSync(db, { recursive: true, force: true });
  renameSync(draft, db);
  fsyncPath(folder);
}

/** Whether a database has tables besides the engine's own: their files have numbers from 16384. */
function hasTables(db: string): boolean {
  const base = join(db, 'base');
  return (
    existsSync(base) &&
    readdirSync(base, { recursive: true }).some(
      (path) => Number.parseInt(String(path).split('/')[1] ?? '', 10) >= 16_384,
    )
  );
}

/** Gives a database that was shut down an identifier of its own: part of the epoch, and on its log's pages. */
function identify(db: string): void {
  const id = (BigInt(Math.floor(Date.now() / 1000)) << 32n) | BigInt(randomBytes(4).readUInt32LE());
  const path = join(db, 'global', 'pg_control');
  const control = readFileSync(path);
  let end = 8;
  while (end < 512 && crc32c(control.subarray(0, end)) !== control.readUInt32LE(end)) end += 4;
  const old = control.readBigUInt64LE(0);
  control.writeBigUInt64LE(id, 0);
  control.writeUInt32LE(crc32c(control.subarray(0, end)), end);
  writeFileSync(path, control);
  for (const name of readdirSync(join(db, 'pg_wal'))) {
    if (!/^[0-9A-F]{24}$/.test(name)) continue;
    const segment = readFileSync(join(db, 'pg_wal', name));
    if (segment.readBigUInt64LE(24) !== old) continue;
    segment.writeBigUInt64LE(id, 24);
    writeFileSync(join(db, 'pg_wal', name), segment);
  }
}

/** The checksum that PostgreSQL's control file ends with. */
function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  }
  return ~sum >>> 0;
}

export function fsyncPath(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

export function fsyncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) fsyncTree(path);
    else fsyncPath(path);
  }
  fsyncPath(folder);
}
