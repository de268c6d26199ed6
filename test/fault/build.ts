/** A copy of the built server, so that a build in the middle of a run changes nothing in it. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Replaces one expression of one built file. */
export interface Patch {
  /** Path in the build, such as `plugins/hub.js`. */
  file: string;
  find: string;
  replace: string;
}

export interface Build {
  readonly server: string;
  remove(): Promise<void>;
}

/** @throws where a patch's expression is not there, or there twice: then it no longer breaks what it should */
async function apply(folder: string, { file, find, replace }: Patch): Promise<void> {
  const path = join(folder, file);
  const text = await readFile(path, 'utf8');
  const found = text.split(find).length - 1;
  if (found !== 1) throw new Error(`${file} has ${found} times what is to be replaced: ${find}`);
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
}

export async function copyBuild(server: string, patches: readonly Patch[] = []): Promise<Build> {
  const folder = await mkdtemp(join(tmpdir(), 'fault-build-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await cp(dirname(server), folder, { recursive: true });
    await symlink(resolve('node_modules'), join(folder, 'node_modules'));
    for (const patch of patches) await apply(folder, patch);
    return { server: join(folder, 'server.js'), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
