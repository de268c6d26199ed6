import { chmod, mkdtemp, realpath, rename, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { shortWay } from '../db/data-dir.js';
import { codeOf } from '../db/failure.js';
import type { Answer } from './words.js';

// A line of JSON there and one back. Who may open the socket may read the database beside it.

const NAME = 'admin.sock';
const WORDS_LENGTH = 65_536;
/** Milliseconds that the server waits for the words. */
const WORDS_MS = 10_000;
const Words = Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 20 });
const Told = Type.Object({ ok: Type.Boolean(), lines: Type.Array(Type.String()) });

/** All that comes until the other side ends. Iterating over the socket would close it, and it has to answer. */
function readAll(socket: Socket, atMost: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    socket.setEncoding('utf8').on('data', (text) => {
      said += text;
      if (said.length > atMost) reject(new Error('it says too much'));
    });
    socket.once('error', reject).once('end', () => resolve(said));
  });
}

/**
 * Listens in the data folder, which nobody else has: what an earlier process left there is replaced.
 * @param answer to what somebody typed
 * @returns ends it
 */
export async function openDesk(
  dir: string,
  answer: (words: Static<typeof Words>) => Promise<Answer>,
): Promise<() => Promise<void>> {
  const folder = await realpath(dir);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    socket.setTimeout(WORDS_MS, () => socket.destroy(new Error('nothing is asked')));
    try {
      const words: unknown = JSON.parse(await readAll(socket, WORDS_LENGTH));
      socket.setTimeout(0);
      socket.end(JSON.stringify(await answer(Value.Decode(Words, words))));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      socket.end(JSON.stringify({ ok: false, lines: [`The server can't do that: ${message}`] }));
    }
  });
  const way = await shortWay(folder);
  // In a folder of its own until only its owner may open it.
  const draft = await mkdtemp(join(folder, 'admin-'));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(join(way.path, basename(draft), 's'), resolve);
    });
    await chmod(join(draft, 's'), 0o600);
    await rename(join(draft, 's'), join(folder, NAME));
  } finally {
    await rm(draft, { recursive: true, force: true });
    await way.done();
  }
  server.unref();
  return async () => {
    await rm(join(folder, NAME), { force: true });
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
}

/**
 * Has the server that runs on a data folder do what somebody typed.
 * @throws Error with a sentence where none does
 */
export async function askServer(dir: string, words: string[]): Promise<Answer> {
  const folder = await realpath(dir).catch(() => {
    throw new Error(`There is no folder ${dir} (DATA_DIR): start this where the server is started.`);
  });
  const way = await shortWay(folder);
  try {
    const socket = createConnection({ path: join(way.path, NAME), allowHalfOpen: true });
    socket.end(JSON.stringify(words));
    return Value.Decode(Told, JSON.parse(await readAll(socket, Number.POSITIVE_INFINITY)));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ECONNREFUSED')
      throw new Error(`No server runs on ${dir} (DATA_DIR): start it first, or set DATA_DIR as it has it.`);
    if (code === 'EACCES' || code === 'EPERM')
      throw new Error(`The server on ${dir} (DATA_DIR) is another user's: run this as that user.`);
    throw error;
  } finally {
    await way.done();
  }
}
