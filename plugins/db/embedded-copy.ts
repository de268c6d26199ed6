import { constants, cpSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fsyncPath, fsyncTree } from './embedded-new.js';

const megabytes = (bytes: number) => Math.ceil(bytes / 1024 ** 2).toLocaleString('en');

/**
 * Copies `<folder>/db`, on which nobody may work meanwhile, to `<folder>/db.before-<name>`, in place of earlier copies, whole or not at all.
 * @throws Error with a sentence where there isn't room for it
 */
export function copyDatabase(folder: string, name: string): void {
  removeCopies(folder);
  const db = join(folder, 'db');
  const needed = readdirSync(db, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  const { bavail, bsize } = statfsSync(folder);
  if (needed > bavail * bsize)
    throw new Error(
      `it takes ${megabytes(needed)} MB, and ${megabytes(bavail * bsize)} MB are free. Make room, and start again.`,
    );
  const draft = join(folder, 'db.before-new');
  try {
    // Where the file system can, the copy shares the blocks.
    cpSync(db, draft, { recursive: true, mode: constants.COPYFILE_FICLONE });
    fsyncTree(draft);
    renameSync(draft, join(folder, `db.before-${name}`));
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
  fsyncPath(folder);
}

/** Deletes the copies, and what a copying that was cut short left. */
export function removeCopies(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('db.before-')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
