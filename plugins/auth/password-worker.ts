import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { compareSync, hashSync } from '@node-rs/bcrypt';

/** With a hash: whether the password fits it. Without: the password's hash. */
export interface Task {
  password: string;
  hash?: string;
}
export type Result = boolean | string;

const COST = 10;

/** A thread of 0 has three times the share of one of 5: messages come first, and sign-ins are not starved by a flood of other work. */
const NICE = 5;

try {
  // On Linux a thread has a priority of its own (setpriority(2)); elsewhere the processors are shared evenly.
  const thread = readlinkSync('/proc/thread-self').split('/').at(-1);
  setPriority(Number(thread), NICE);
} catch {}

function work({ password, hash }: Task): Result {
  if (hash === undefined) return hashSync(password, COST);
  try {
    return compareSync(password, hash);
  } catch {
    // What stands there is no hash.
    return false;
  }
}

parentPort?.on('message', (task: Task) => parentPort?.postMessage(work(task)));
