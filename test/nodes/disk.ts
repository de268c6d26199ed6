/** A small disk that can be full at will: a tmpfs that only those see who are told, and that ends with its keeper. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from './find.js';
import { execute, launch, makeFolder, type User } from './process.js';

export interface Disk {
  readonly path: string;
  /** A command and its arguments, as someone who sees the disk runs it. */
  within(command: string, args: string[], user?: User): { command: string; args: string[] };
  /** Takes away all that is free. */
  fill(): Promise<void>;
  /** Gives it back. */
  free(): Promise<void>;
  remove(): Promise<void>;
}

const inside = process.platform === 'linux' && process.getuid?.() === 0;

/**
 * Makes a disk of so many bytes, which belongs to `user`.
 * @returns undefined where nothing may be mounted: only root may, on Linux, and not in every container
 */
export async function makeDisk(bytes: number, user: User): Promise<Disk | undefined> {
  const [unshare, nsenter] = [findProgram('unshare'), findProgram('nsenter')];
  if (!inside || unshare === undefined || nsenter === undefined) return undefined;
  const folder = await makeFolder('disk', user);
  const path = join(folder.path, 'disk');
  await mkdir(path);
  const { uid = 0, gid = 0 } = user;
  const options = `mode=700,uid=${uid},gid=${gid},size=`;
  const mount = `mount -t tmpfs -o ${options}${bytes} tmpfs ${path} && echo mounted && exec sleep infinity`;
  let mounted = false;
  try {
    // Mounted for this process and those that join it alone, so that nothing is left behind, whatever happens.
    const keeper = await launch({
      folder: { ...folder, user: {} },
      command: unshare,
      args: ['--mount', 'sh', '-c', mount],
      ready: async () => {
        const { stdout } = await execute('cat', [join(folder.path, 'log')]);
        mounted = stdout.includes('mounted');
        return mounted;
      },
    });
    const within: Disk['within'] = (command, args, user = {}) => ({
      command: nsenter,
      args: [
        ...['--target', String(keeper.pid), '--mount', '--wd=/'],
        ...(user.uid === undefined ? [] : ['--setuid', String(user.uid)]),
        ...(user.gid === undefined ? [] : ['--setgid', String(user.gid)]),
        ...['--', command, ...args],
      ],
    });
    const run = async (command: string, args: string[]) => {
      const call = within(command, args);
      return (await execute(call.command, call.args)).stdout;
    };
    return {
      path,
      within,
      async fill() {
        for (let attempt = 1; ; attempt++) {
          const used = Number((await run('df', ['-B1', '--output=used', path])).split('\n')[1]);
          try {
            return void (await run('mount', ['-o', `remount,size=${used}`, path]));
          } catch (error) {
            // Something was written since.
            if (attempt === 20) throw error;
          }
        }
      },
      free: async () => void (await run('mount', ['-o', `remount,size=${bytes}`, path])),
      async remove() {
        await keeper.end('SIGKILL');
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    if (mounted) throw error;
    return undefined;
  }
}
