/** What a fault has to do with: the stage, its step, and what it leaves in the evidence. */
import type { Client } from './client.js';
import { now, sleep } from './clock.js';
import type { Crowd } from './crowd.js';
import type { Away, Fault } from './diary.js';
import type { Random } from './random.js';
import type { Replica } from './replica.js';
import type { Step } from './schedule.js';
import type { World } from './world.js';

export interface Stage {
  world: World;
  crowd: Crowd;
  faults: Fault[];
  away: Away[];
  /** What went wrong with the world itself. */
  troubles: string[];
}

export interface Act extends Stage {
  step: Step;
  chance: Random;
  /** Says for people what was chosen by chance. */
  did(what: string): void;
}

/** Those whom the fault touched; without, everybody. */
export type Result = Client[] | undefined;

/** PostgreSQL answers again; the replicas may need as long to find out. */
const reconnecting = 2000;

/** Notes how long something can't be relied on: until this is done, and for a while. */
export async function absent(
  { away }: Act,
  window: { what: Away['what']; name: string; grace: number },
  until: () => Promise<unknown>,
): Promise<void> {
  const { what, name, grace } = window;
  const entry: Away = { what, name, from: now(), to: Number.POSITIVE_INFINITY };
  away.push(entry);
  try {
    await until();
  } finally {
    entry.to = now() + grace;
  }
}

export const postgresAway = { what: 'postgres', name: '', grace: reconnecting } as const;

export function replica({ world, chance }: Act): Replica {
  return chance.pick(world.replicas);
}

/** Users move between replicas for as long as the step lasts. */
export async function moving({ crowd, step, chance }: Act): Promise<void> {
  const end = now() + step.lasts;
  while (now() < end) {
    for (const client of crowd.some(0.15, chance)) client.hop();
    await sleep(chance.int(50, 400));
  }
}
