import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What stands behind a lock file: nobody (`free`), a dead process, or a living one with its id where it told. */
type Holder = 'free' | 'dead' | { pid: string };

const codeOf = (error: unknown) =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Makes the data folder where it is missing, for its owner alone, and gives its real path. */
export async function dataFolder(dir: string): Promise<string> {
  try {
    await makeFolder(dir);
    const folder = await realpath(dir);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    const who =
      codeOf(error) === 'EACCES'
        ? `give it to the user ${process.getuid?.() ?? ''} that this runs as, or `
        : '';
    throw new Error(
      `The data folder ${dir} can't be used (${reason(error)}): ${who}set DATA_DIR to another folder.`,
    );
  }
}

/** As `mkdir` with `recursive`, which never ends where nothing can be made (/proc). */
async function makeFolder(dir: string): Promise<void> {
  const make = () => mkdir(dir, { mode: 0o700 });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(dir)).isDirectory()) return;
    if (codeOf(error) !== 'ENOENT' || dirname(dir) === dir) throw error;
    await makeFolder(dirname(dir));
    await make();
  }
}

/** Makes a new or renamed entry of a folder survive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

/**
 * Takes the folder for this process and gives the function that lets it go; a living holder is an error with a
 * sentence. Node has no flock, so the lock is a listening socket in the folder: the kernel says by `connect`
 * whether its owner lives, which `kill -9`, reused process ids and several containers on one volume can't blur.
 *
 * The locks are numbered (`lock.1`, `lock.2` …), and one is taken by linking a socket that listens already to
 * the number after the highest dead one: of two starters one gets it. A lock that stands is only taken away by
 * its owner, while it still listens, or by a winner with a higher number, which every later look can see.
 */
export async function lockDataDir(dir: string): Promise<() => Promise<void>> {
  const folder = await dataFolder(dir);
  const way = await shortWay(folder);
  try {
    for (;;) {
      const highest = (await numbers(folder)).at(-1) ?? 0;
      const holder = highest > 0 ? await ask(join(way.path, `lock.${highest}`)) : 'dead';
      if (typeof holder === 'object') throw new Error(refusal(dir, holder.pid));
      if (holder === 'free') continue;
      const release = await claim(folder, way.path, highest + 1);
      if (release) return release;
    }
  } finally {
    await way.done();
  }
}

function refusal(dir: string, pid: string): string {
  const who = pid && ` by process ${pid}`;
  return `The data folder ${dir} is already in use${who}: stop that one first, or set DATA_DIR to another folder.`;
}

async function numbers(folder: string): Promise<number[]> {
  const found = (await readdir(folder)).map((name) => Number(/^lock\.(\d+)$/.exec(name)?.[1]));
  return found.filter((number) => number > 0).sort((a, b) => a - b);
}

async function claim(
  folder: string,
  way: string,
  number: number,
): Promise<(() => Promise<void>) | undefined> {
  const draft = `lock-${randomBytes(6).toString('hex')}`;
  const lock = join(folder, `lock.${number}`);
  const server = await listen(join(way, draft)).catch((error: unknown) => {
    throw new Error(
      `The data folder ${folder} can't be locked (${reason(error)}): it needs a file system with sockets and links.`,
    );
  });
  const release = async () => {
    await rm(lock, { force: true }); // before the socket closes: nobody may take us for dead
    await new Promise((resolve) => server.close(resolve));
  };
  try {
    await link(join(folder, draft), lock);
  } catch (error) {
    server.close();
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOENT') return undefined; // another was faster
    throw error;
  } finally {
    await rm(join(folder, draft), { force: true });
  }
  for (const other of await numbers(folder)) {
    if (other === number) continue;
    if (other > number || typeof (await ask(join(way, `lock.${other}`))) === 'object') {
      await release();
      return undefined;
    }
  }
  for (const name of await readdir(folder)) {
    if (/^lock[.-]/.test(name) && name !== `lock.${number}`) await rm(join(folder, name), { force: true });
  }
  return release;
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(String(process.pid));
    });
    server.once('error', reject);
    server.listen(path, () => resolve(server));
    server.unref();
  });
}

/** Only a refusal says "dead": whatever else keeps us from asking may be a living holder. */
function ask(path: string): Promise<Holder> {
  return new Promise((resolve) => {
    let pid = '';
    const socket = createConnection(path);
    const done = (holder: Holder) => {
      socket.destroy();
      resolve(holder);
    };
    socket.setTimeout(1000, () => done({ pid })); // a stopped holder still holds
    socket.on('data', (data) => {
      pid += data.toString();
    });
    socket.on('end', () => done({ pid }));
    socket.on('error', (error) => {
      const code = codeOf(error);
      if (code === 'ENOENT') return done('free');
      done(code === 'ECONNREFUSED' || code === 'ENOTSOCK' ? 'dead' : { pid });
    });
  });
}

/** Paths of sockets hold some 100 bytes: a deep folder is reached through a link in the temporary folder. */
export async function shortWay(folder: string): Promise<{ path: string; done: () => Promise<void> }> {
  if (Buffer.byteLength(folder) < 80) return { path: folder, done: async () => {} };
  const temporary = await mkdtemp(join(tmpdir(), 'chat-'));
  await symlink(folder, join(temporary, 'd'));
  return { path: join(temporary, 'd'), done: () => rm(temporary, { recursive: true, force: true }) };
}

/** Reads the folder's secret for signing tokens, `jwt-secret`, or makes it: the same for all who start at once. */
export async function secretIn(dir: string): Promise<string> {
  const folder = await dataFolder(dir);
  const path = join(folder, 'jwt-secret');
  const stored = await readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (stored === undefined) return makeSecret(folder, path);
  if (stored.trim().length < 32) {
    throw new Error(
      `${path} is too short to be a secret: delete it, and a new one is made (all have to log in again).`,
    );
  }
  return stored.trim();
}

async function makeSecret(folder: string, path: string): Promise<string> {
  const draft = `${path}-${randomBytes(6).toString('hex')}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(randomBytes(32).toString('base64url'));
    await handle.sync();
    await link(draft, path); // all or nothing, and never over another's
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await handle.close();
    await rm(draft, { force: true });
  }
  await syncFolder(folder);
  return (await readFile(path, 'utf8')).trim();
}
