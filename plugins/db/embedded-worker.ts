import { fsyncSync } from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { copyDatabase } from './embedded-copy.js';
import { ensureDatabase } from './embedded-new.js';
import { upkeep } from './embedded-upkeep.js';
import { column, complete, joined, query, refusal, startup, status, sync } from './embedded-wire.js';

/** A connection's bytes (none: it has ended), or a word to the worker itself. */
export type ToWorker = { id: number; bytes?: Uint8Array } | { ask: 'fsyncs' | 'close' } | { copy: string };
/** The same the other way; `fatal` is the last thing that a broken engine says. */
export type FromWorker =
  | { id: number; bytes?: Uint8Array }
  | { ready: true }
  | { fsyncs: number }
  | { copied: true; problem?: string }
  | { age: number }
  | { fatal: string };

/** What the thread is started with. */
export type Start = { folder: string; anew: boolean; upkeepMs: number };

type Connection = { phase: 'greeting' | 'open' | 'over'; input: Uint8Array };

/** The folder on disk, with the fsync that the engine's own file system lacks (it takes a missing one for done). */
class DurableFS extends NodeFS {
  fsyncs = 0;
  readonly #failed: (error: unknown) => never;

  constructor(dir: string, failed: (error: unknown) => never) {
    super(dir);
    this.#failed = failed;
  }

  override async init(...[pg, options]: Parameters<NodeFS['init']>) {
    const { emscriptenOpts } = await super.init(pg, options);
    // Before the engine's first step: the recovery after a crash ends with a checkpoint of its own.
    const preRun: typeof emscriptenOpts.preRun = [
      ...(emscriptenOpts.preRun ?? []),
      (module) => {
        const files: { fsync?: (stream: { nfd: number }) => number } = module.NODEFS.stream_ops;
        files.fsync = ({ nfd }) => {
          try {
            fsyncSync(nfd);
          } catch (error) {
            this.#failed(error); // the kernel may have dropped the pages: only a recovery from the log is safe
          }
          this.fsyncs += 1;
          return 0;
        };
      },
    ];
    return { emscriptenOpts: { ...emscriptenOpts, preRun } };
  }
}

/** Opens the engine on `<folder>/db`, and makes that where it is missing. */
async function openEngine(start: Start, die: (error: unknown) => never, log: (line: string) => boolean) {
  await ensureDatabase(start.folder, start.anew);
  const fs = new DurableFS(join(start.folder, 'db'), die);
  const set = ['wal_sync_method=fsync', 'min_wal_size=32MB', 'max_wal_size=128MB', 'log_min_messages=fatal'];
  const pg = await PGlite.create({
    fs,
    relaxedDurability: false,
    startParams: [
      ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'), // -F: no fsync
      ...set.flatMap((setting) => ['-c', setting]),
    ],
    onStderr: log,
  });
  return { pg, fs };
}

/** Emscripten's errors are plain objects with WASI's numbers. */
const CODES: Record<number, string> = {
  2: 'EACCES',
  19: 'EDQUOT',
  22: 'EFBIG',
  29: 'EIO',
  51: 'ENOSPC',
  69: 'EROFS',
};

/** Why it can't go on, for people. */
function reasonOf(error: unknown): string {
  const { code, errno, message }: { code?: unknown; errno?: unknown; message?: unknown } =
    error instanceof Object ? error : {};
  const name = typeof code === 'string' ? code : CODES[Number(errno)];
  if (name === 'ENOSPC' || name === 'EDQUOT') return `the disk is full (${name}): make room, and start again`;
  if (name === 'EFBIG')
    return `a file may not grow further (${name}): raise the limit (ulimit -f), and start again`;
  return typeof message === 'string' && message !== '' ? message : (name ?? `error ${errno ?? error}`);
}

async function serve(port: MessagePort, start: Start): Promise<void> {
  let lastWords = '';
  const post = (word: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(word, transfer);
  const die = (error: unknown): never => {
    post({ fatal: lastWords || reasonOf(error) });
    process.exit(1);
  };
  const { pg, fs } = await openEngine(start, die, (line) => {
    lastWords = /(?:FATAL|PANIC): .*/.exec(line)?.[0] ?? lastWords;
    return false; // nothing to print
  }).catch(die);

  // PGlite goes on after every exception as if it were an SQL error; but after an abort, a panic or a
  // `FATAL` the memory can't be trusted, and a commit might be acknowledged that the disk doesn't have.
  const engine = pg.Module;
  const guarded = (call: () => void) => () => {
    try {
      call();
    } catch (error) {
      const sqlError = error instanceof Object && 'status' in error && error.status === 100;
      if (!sqlError) die(error);
      throw error;
    }
  };
  engine._PostgresMainLoopOnce = guarded(engine._PostgresMainLoopOnce);
  engine._PostgresMainLongJmp = guarded(engine._PostgresMainLongJmp);
  engine._PostgresSendReadyForQueryIfNecessary = guarded(engine._PostgresSendReadyForQueryIfNecessary);

  const execute = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    // Of PGlite's calls the one that neither parses the answer nor keeps it. It is done when it returns.
    pg.execProtocolRawStream(bytes, {
      syncToFs: false,
      onRawData: (part) => {
        parts.push(new Uint8Array(part)); // a copy: `part` is the engine's memory
        size += part.length;
      },
    }).catch(die);
    if (parts.length === 1 && parts[0]) return parts[0];
    const answer = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      answer.set(part, at);
      at += part.length;
    }
    return answer;
  };

  const connections = new Map<number, Connection>();
  let session: number | undefined;
  let state = 'I';
  let upkeepIsDue = false;

  const end = (id: number) => {
    if (id !== session) return;
    session = undefined;
    if (status(execute(sync())) !== 'I') execute(query('rollback'));
    execute(query('discard all'));
    state = 'I';
  };
  const hangUp = (id: number, bytes?: Uint8Array<ArrayBuffer>) => {
    connections.set(id, { phase: 'over', input: new Uint8Array(0) }); // more of it may be under way
    if (bytes) post({ id, bytes });
    post({ id });
    end(id);
  };
  const begin = (id: number, packet: Uint8Array, settings: Map<string, string>) => {
    if (session !== undefined) {
      return hangUp(id, refusal('53300', 'the embedded database takes one connection at a time'));
    }
    session = id;
    for (const [name, value] of settings) {
      if (/^(?:user|database|client_encoding|replication|options|_pq_\..*)$/.test(name)) continue;
      const quoted = [name, value].map((word) => `'${word.replaceAll("'", "''")}'`).join();
      const answer = execute(query(`select set_config(${quoted}, false)`)); // the engine itself ignores them
      if (answer[0] === 0x45) return hangUp(id, answer);
    }
    post({ id, bytes: execute(packet) });
  };
  const greet = (id: number, connection: Connection) => {
    for (let first = startup(connection.input); first; first = startup(connection.input)) {
      const packet = connection.input.subarray(0, first.length);
      connection.input = connection.input.subarray(first.length);
      if (first.kind === 'encrypt') {
        post({ id, bytes: Uint8Array.of(0x4e) }); // 'N': not here
        continue;
      }
      // Cancelling: the thread that would hear of it computes the query.
      if (first.kind === 'other') return hangUp(id);
      connection.phase = 'open';
      return begin(id, packet, first.settings);
    }
  };
  const receive = (id: number, bytes: Uint8Array) => {
    const connection = connections.get(id) ?? { phase: 'greeting', input: new Uint8Array(0) };
    if (connection.phase === 'over') return;
    connections.set(id, connection);
    connection.input = joined(connection.input, bytes);
    if (connection.phase === 'greeting') greet(id, connection);
    if (id !== session) return;
    const { end: upTo, goodbye } = complete(connection.input);
    if (upTo > 0) {
      const answer = execute(connection.input.subarray(0, upTo));
      connection.input = connection.input.subarray(upTo);
      state = status(answer);
      post({ id, bytes: answer }, [answer.buffer]);
    }
    if (goodbye) hangUp(id);
  };
  const keepUp = () => {
    const idle = state === 'I' && [...connections.values()].every(({ input }) => input.length === 0);
    upkeepIsDue = !idle;
    if (idle) post({ age: upkeep((sql) => column(execute(query(sql)))) });
  };
  const close = async () => {
    clearInterval(timer);
    await pg.close();
    process.exit(0);
  };

  /** No statement runs meanwhile, so what is copied is what a crash would leave, and a start recovers from. */
  const copy = (name: string) => {
    try {
      execute(query('checkpoint'));
      copyDatabase(start.folder, name);
      post({ copied: true });
    } catch (error) {
      post({ copied: true, problem: reasonOf(error) });
    }
  };

  const timer = setInterval(keepUp, start.upkeepMs);
  port.on('message', (word: ToWorker) => {
    try {
      if ('ask' in word) {
        if (word.ask === 'close') close().catch(die);
        else post({ fsyncs: fs.fsyncs });
      } else if ('copy' in word) {
        copy(word.copy);
      } else if (word.bytes) {
        receive(word.id, word.bytes);
      } else {
        connections.delete(word.id);
        end(word.id);
      }
      if (upkeepIsDue) keepUp();
    } catch (error) {
      die(error);
    }
  });
  post({ ready: true });
}

const start: Start | undefined = workerData ?? undefined;
if (parentPort && start?.folder) await serve(parentPort, start);
