/** Runs interleavings in a thread of its own: in that of the test each `await` would cost ten times as much. */
import { parentPort, workerData } from 'node:worker_threads';
import { interleave } from './run.js';
import { SABOTAGES } from './sabotages.js';

/** What a worker is to do. */
export interface Order {
  kind: 'plain' | 'extended' | 'parking';
  /** Seeds 1 to this. */
  runs: number;
  /** A name among the sabotages. */
  sabotage?: string;
}
/** The first seed that finds something, if one does. */
export type Found = { seed: number; faults: string[] } | undefined;

async function work({ kind, runs, sabotage }: Order): Promise<Found> {
  const options = { kind, ...(sabotage !== undefined && { sabotage: SABOTAGES[sabotage] }) };
  for (let seed = 1; seed <= runs; seed++) {
    const faults = await interleave(seed, options);
    if (faults.length > 0) return { seed, faults };
  }
  return undefined;
}

parentPort?.postMessage(await work(workerData));
