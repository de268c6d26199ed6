import { extname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { dataFolder, lockDataDir } from './data-dir.js';
import { removeCopies } from './embedded-copy.js';
import type { FromWorker, Start, ToWorker } from './embedded-worker.js';

export type Embedded = {
  /** A new connection, for the `socket` option of postgres.js; one at a time (`max: 1`). */
  socket(): Promise<Duplex>;
  /** Called once, with the reason, if the engine dies by itself; all connections have ended then. */
  onFatal(callback: (error: Error) => void): void;
  /** How many times the engine has had the disk confirm its writes. */
  fsyncs(): Promise<number>;
  /**
   * Copies the database's folder to one beside it, in place of earlier copies: as it is now, between two statements.
   * @param name what it is called behind `db.before-`
   * @returns the copy's path
   * @throws Error with a sentence where it can't be made, for want of room above all
   */
  copy(name: string): Promise<string>;
  /** Deletes the copies. */
  forgetCopies(): Promise<void>;
  /** Ends all connections, closes the database cleanly and lets the folder go. */
  close(): Promise<void>;
};

type Send = (id: number, bytes?: Uint8Array<ArrayBuffer>) => void;

/** One connection, as far as the client can tell a TCP socket. */
class Wire extends Duplex {
  readonly #id: number;
  readonly #send: Send;

  constructor(id: number, send: Send) {
    super({ emitClose: true });
    this.#id = id;
    this.#send = send;
    this.on('error', () => {}); // the client stops listening before the last one may come
  }

  /** postgres.js says goodbye only to a socket that calls itself open. */
  get readyState() {
    return this.destroyed ? 'closed' : 'open';
  }

  override _read() {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void) {
    this.#send(this.#id, new Uint8Array(chunk)); // a copy: the chunk may lie in a pool
    done();
  }

  override _final(done: () => void) {
    done();
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void) {
    this.#send(this.#id);
    done(error);
  }
}

/** A broken connection, by the code that clients know. */
const broken = (sentence: string) => Object.assign(new Error(sentence), { code: 'ECONNRESET' });

export interface Options {
  /** Make a database even though the folder had one that is missing now. */
  anew?: boolean;
  /** Milliseconds between two pieces of upkeep. */
  upkeepMs?: number;
  /** Hears now and then how many transactions ago the oldest number was given that is still in use. */
  onAge?: (age: number) => void;
}

/**
 * Takes the data folder and starts PostgreSQL on it, in a thread of its own; makes the database where there is none.
 * @throws Error with a sentence when the folder or what is in it can't be used
 */
export async function openEmbedded(
  dataDir: string,
  { anew = false, upkeepMs = 10_000, onAge = () => {} }: Options = {},
): Promise<Embedded> {
  const release = await lockDataDir(dataDir);
  const folder = await dataFolder(dataDir);
  const workerData: Start = { folder, anew, upkeepMs };
  const worker = new Worker(new URL(`./embedded-worker${extname(import.meta.url)}`, import.meta.url), {
    name: 'embedded-database',
    workerData,
  });
  const post = (word: ToWorker, transfer: ArrayBuffer[] = []) => worker.postMessage(word, transfer);
  const wires = new Map<number, Wire>();
  const counts: ((fsyncs: number) => void)[] = [];
  const copies: ((problem: string | undefined) => void)[] = [];
  const listeners: ((error: Error) => void)[] = [];
  let lastId = 0;
  let down: Error | undefined;
  let closing: Promise<void> | undefined;

  const send: Send = (id, bytes) => {
    if (!bytes) wires.delete(id);
    if (bytes) post({ id, bytes }, [bytes.buffer]);
    else post({ id });
  };
  const hangUp = (error: Error) => {
    down ??= error;
    for (const wire of wires.values()) wire.destroy(error);
    for (const count of counts.splice(0)) count(Number.NaN);
    for (const copied of copies.splice(0)) copied(error.message);
  };

  let started = false;
  let fatal: Error | undefined;
  const fail = (reason: string) => {
    if (fatal) return;
    fatal = broken(
      `The embedded database in ${dataDir} ${started ? 'has stopped' : "can't start"}: ${reason}`,
    );
    hangUp(fatal);
    if (!closing) for (const listener of listeners.splice(0)) listener(fatal);
  };
  const gone = new Promise<void>((resolve, reject) => {
    worker.once('exit', (code) => {
      if (code !== 0 || !closing) fail(`its thread ended with code ${code}`);
      release().then(resolve, reject);
    });
  });
  const ready = new Promise<void>((resolve) => {
    worker.on('message', (word: FromWorker) => {
      if ('id' in word) {
        const wire = wires.get(word.id);
        if (word.bytes) wire?.push(Buffer.from(word.bytes.buffer, word.bytes.byteOffset, word.bytes.length));
        else wire?.destroy();
      } else if ('fsyncs' in word) counts.shift()?.(word.fsyncs);
      else if ('copied' in word) copies.shift()?.(word.problem);
      else if ('age' in word) onAge(word.age);
      else if ('fatal' in word) fail(word.fatal);
      else {
        started = true;
        resolve();
      }
    });
    worker.on('error', (error) => fail(error.message));
  });
  await Promise.race([ready, gone]);
  if (fatal) throw fatal;

  return {
    async socket() {
      lastId += 1;
      const wire = new Wire(lastId, send);
      wires.set(lastId, wire);
      // Rejecting instead would leave postgres.js waiting for ever.
      if (down) setImmediate(() => wire.destroy(down));
      return wire;
    },
    onFatal(callback) {
      const error = fatal;
      if (error) queueMicrotask(() => callback(error));
      else listeners.push(callback);
    },
    fsyncs: () =>
      new Promise((resolve) => {
        if (down) return resolve(Number.NaN);
        counts.push(resolve);
        post({ ask: 'fsyncs' });
      }),
    async copy(name) {
      const problem = await new Promise<string | undefined>((resolve) => {
        if (down) return resolve(down.message);
        copies.push(resolve);
        post({ copy: name });
      });
      const path = join(folder, `db.before-${name}`);
      if (problem !== undefined)
        throw new Error(`The database can't be copied to ${path} before it is changed: ${problem}`);
      return path;
    },
    forgetCopies: async () => removeCopies(folder),
    close() {
      closing ??= (async () => {
        const failedBefore = fatal !== undefined;
        hangUp(broken('The embedded database is closed'));
        post({ ask: 'close' });
        await gone;
        if (fatal && !failedBefore) throw fatal;
      })();
      return closing;
    },
  };
}
