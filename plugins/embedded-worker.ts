import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { column, complete, joined, query, refusal, startup, status, sync } from './embedded-wire.js';

/** A connection's bytes (none: it has ended), or a word to the worker itself. */
export type ToWorker = { id: number; bytes?: Uint8Array } | { ask: 'fsyncs' | 'close' };
/** The same the other way; `fatal` is the last thing that a broken engine says. */
export type FromWorker =
  | { id: number; bytes?: Uint8Array }
  | { ready: true }
  | { fsyncs: number }
  | { fatal: string };

type Connection = { phase: 'greeting' | 'open' | 'over'; input: Uint8Array };

/**
 * What a server's background processes would do, of which there are none here: without it the write-ahead log
 * and the dead rows grow for ever. At most one statement a time, as all queries wait for it. The thresholds are
 * autovacuum's.
 */
const UPKEEP = `
  select 'checkpoint' from pg_control_checkpoint(), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn) as wal
   where wal > 64 * 1024 * 1024 or wal > 1024 * 1024 and checkpoint_time < now() - interval '5 minutes'
  union all
  (select format('vacuum (analyze, truncate false) %I.%I', s.schemaname, s.relname)
     from pg_stat_user_tables s join pg_class c on c.oid = s.relid
    where n_dead_tup > 50 + 0.2 * greatest(reltuples, 0)
       or n_ins_since_vacuum > 1000 + 0.2 * greatest(reltuples, 0)
       or n_mod_since_analyze > 50 + 0.1 * greatest(reltuples, 0)
    order by n_dead_tup desc)
  limit 1`;

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

function fsyncPath(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function fsyncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) fsyncTree(path);
    else fsyncPath(path);
  }
  fsyncPath(folder);
}

/** Opens the engine on `<folder>/db`, or makes it; a making that was cut short is begun anew. */
async function openEngine(folder: string, die: (error: unknown) => never, log: (line: string) => boolean) {
  const db = join(folder, 'db');
  const unfinished = join(folder, 'db.unfinished');
  const fresh = existsSync(unfinished) || !existsSync(join(db, 'PG_VERSION'));
  if (fresh) {
    if (!existsSync(unfinished) && existsSync(db) && readdirSync(db).length > 0) {
      throw new Error(`${db} holds files but no database`);
    }
    writeFileSync(unfinished, '');
    fsyncPath(folder);
    rmSync(db, { recursive: true, force: true });
    mkdirSync(db, { mode: 0o700 });
  }
  const fs = new DurableFS(db, die);
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
  if (fresh) {
    await pg.exec('checkpoint');
    fsyncTree(db);
    rmSync(unfinished);
    fsyncPath(folder);
  }
  return { pg, fs };
}

async function serve(port: MessagePort, folder: string, upkeepMs: number): Promise<void> {
  let lastWords = '';
  const post = (word: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(word, transfer);
  const die = (error: unknown): never => {
    post({ fatal: lastWords || (error instanceof Error ? error.message : String(error)) });
    process.exit(1);
  };
  const { pg, fs } = await openEngine(folder, die, (line) => {
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
  const upkeep = () => {
    const idle = state === 'I' && [...connections.values()].every(({ input }) => input.length === 0);
    upkeepIsDue = !idle;
    if (!idle) return;
    const [statement] = column(execute(query(UPKEEP)));
    if (statement) execute(query(statement));
  };
  const close = async () => {
    clearInterval(timer);
    await pg.close();
    process.exit(0);
  };

  const timer = setInterval(upkeep, upkeepMs);
  port.on('message', (word: ToWorker) => {
    try {
      if ('ask' in word) {
        if (word.ask === 'close') close().catch(die);
        else post({ fsyncs: fs.fsyncs });
      } else if (word.bytes) {
        receive(word.id, word.bytes);
      } else {
        connections.delete(word.id);
        end(word.id);
      }
      if (upkeepIsDue) upkeep();
    } catch (error) {
      die(error);
    }
  });
  post({ ready: true });
}

const { folder, upkeepMs }: { folder?: string; upkeepMs?: number } = workerData ?? {};
if (parentPort && folder && upkeepMs) await serve(parentPort, folder, upkeepMs);
