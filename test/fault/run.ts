/** One run: a world, a crowd that talks, faults, a quiet end, and the diaries of it all. */

import type { Stage } from './act.js';
import { outstanding, untold } from './checker.js';
import { now, sleep } from './clock.js';
import { watchCommits } from './commits.js';
import { type Crowd, makeCrowd, speaksExtended } from './crowd.js';
import type { Evidence } from './diary.js';
import { commit } from './faults.js';
import { readHistory } from './history.js';
import { drawGroups } from './many.js';
import { random } from './random.js';
import { habits, type Step } from './schedule.js';
import { makeGroups, makeSteward } from './steward.js';
import { makeWorld, type World } from './world.js';

export interface RunOptions {
  /** The built `server.js`. */
  server: string;
  seed: number;
  steps: readonly Step[];
  /** Of each kind. */
  clients: number;
  /** How many members each group has. */
  groups: readonly number[];
  /** Messages a second, of all together. */
  rate: number;
  /** Of extended clients: how often they send again what is stored. */
  repeat: number;
  /** How long people talk on after the last fault. */
  lastWordsMs: number;
  /** How long the quiet end may take until all has arrived. */
  drainMs: number;
  /** The services' own times; shorter ones make a shorter run. */
  leaseSeconds: number;
  repairSeconds: number;
  heartbeatSeconds: number;
  limits: boolean;
  log(line: string): void;
}

export interface RunResult {
  evidence: Evidence;
  seconds: number;
  /** What went wrong with the run itself, such as a server that ended. */
  troubles: string[];
}

/** Copies that come too much come within this. */
const aftermath = 3000;
/** Our own process was too busy to look if a tick came later than this. */
const tick = 50;
const busy = 250;

/** Notes when this process itself was late: what its clients saw then proves nothing. */
function watchOurselves({ away }: Stage): NodeJS.Timeout {
  let last = now();
  return setInterval(() => {
    const at = now();
    if (at - last > tick + busy) away.push({ what: 'us', name: '', from: last, to: at + busy });
    last = at;
  }, tick);
}

function findCrashes({ world, troubles }: Stage): void {
  for (const { name, hasCrashed } of world.replicas) {
    const trouble = `replica ${name} ended by itself`;
    if (hasCrashed() && !troubles.includes(trouble)) troubles.push(trouble);
  }
}

/** Runs the steps at their times; those that need the same thing one after the other. */
async function act(stage: Stage, steps: readonly Step[], log: (line: string) => void): Promise<void> {
  const begun = now();
  const turns = new Map<string, Promise<void>>();
  const all: Promise<void>[] = [];
  const { troubles } = stage;
  for (const step of steps) {
    await sleep(begun + step.at - now());
    const { needs } = habits[step.kind];
    const before = needs === 'nothing' ? undefined : turns.get(needs);
    const turn = (before ?? Promise.resolve()).then(async () => {
      const say = (what: string) =>
        log(`${((now() - begun) / 1000).toFixed(1).padStart(6)} s  ${step.kind}${what}`);
      say(`, ${step.lasts} ms`);
      await commit(stage, step, (what) => say(`: ${what}`));
    });
    const safe = turn.catch((error: unknown) => void troubles.push(`${step.kind}: ${error}`));
    turns.set(needs, safe);
    all.push(safe);
    findCrashes(stage);
  }
  await Promise.all(all);
}

/** Everything is up and nobody talks: all must be told now how far it goes, and have it once it is to be shown. */
async function drain(crowd: Crowd, evidence: Evidence, ms: number): Promise<void> {
  const end = now() + ms;
  do {
    await sleep(1000);
  } while (now() < end - ms / 2 && !(crowd.settled() && untold(evidence).length === 0));
  evidence.shownAll = now();
  crowd.showAll();
  // A plain message counts only after a while, so the first look comes after that.
  do {
    await sleep(1500);
    evidence.until = now();
  } while (now() < end && !(crowd.settled() && outstanding(evidence).length === 0));
  await sleep(aftermath);
}

async function connected(crowd: Crowd): Promise<void> {
  const end = now() + 30_000;
  while (!crowd.settled()) {
    if (now() > end) throw new Error('not all clients are connected after 30 s');
    await sleep(50);
  }
}

/** `inspect` sees the world before it is taken down. */
export async function run(
  options: RunOptions,
  inspect: (result: RunResult, world: World) => Promise<void>,
): Promise<void> {
  const { seed, steps, clients, rate, repeat, log } = options;
  const begun = now();
  const talkers = clients * 2;
  const world = await makeWorld({ ...options, users: Math.max(talkers, ...options.groups) });
  const { doors } = world;
  const users = world.users.slice(0, talkers);
  const chance = random(seed);
  const idsOf = (list: readonly { id: number }[]) => list.map(({ id }) => id);
  const extended = idsOf(users.filter((_user, seat) => speaksExtended(seat)));
  const plain = idsOf(users.filter((_user, seat) => !speaksExtended(seat)));
  const silent = idsOf(world.users.slice(talkers));
  const drafts = drawGroups(options.groups, { extended, plain, silent }, chance.fork('many'));
  const tokens = new Map(users.map(({ id, token }) => [id, token]));
  const tokenOf = (user: number) => tokens.get(user) ?? '';
  const means = { doors, tokenOf, random: chance.fork('steward') };
  const many = await makeGroups(drafts, means);
  const crowd = makeCrowd({ users, many, doors, random: chance.fork('crowd'), repeat });
  const stage: Stage = { world, crowd, faults: [], away: [], troubles: [] };
  const { troubles } = stage;
  const steward = makeSteward(many, {
    ...means,
    may: (user) => extended.includes(user),
    trouble: (what) => void troubles.push(what),
  });
  const watch = watchOurselves(stage);
  const stopWatching = watchCommits(stage);
  try {
    for (const client of crowd.clients) client.start();
    await connected(crowd);
    crowd.talk(rate);
    steward.start();
    await sleep(1000);
    await act(stage, steps, log);
    await sleep(options.lastWordsMs);
    crowd.hush();
    await steward.stop();
    const diaries = crowd.clients.map(({ diary }) => diary);
    const { changes } = steward;
    const evidence: Evidence = {
      diaries,
      many,
      changes,
      faults: stage.faults,
      away: stage.away,
      until: now(),
    };
    await drain(crowd, evidence, options.drainMs);
    evidence.until = now();
    findCrashes(stage);
    await readHistory(doors, users, evidence, chance.fork('history')).then(
      (read) => void Object.assign(evidence, read),
      (error: unknown) => troubles.push(`history: ${error}`),
    );
    await inspect({ evidence, seconds: (now() - begun) / 1000, troubles }, world);
  } finally {
    clearInterval(watch);
    await stopWatching();
    crowd.hush();
    await steward.stop();
    for (const client of crowd.clients) client.stop();
    await world.end();
  }
}
