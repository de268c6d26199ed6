/** Which fault comes when: the same seed gives the same schedule. */
import { random } from './random.js';

/** What a fault takes for itself; two that need the same one never overlap. Wires are the lines from replicas to PostgreSQL. */
type Needs = 'replicas' | 'postgres' | 'wires' | 'redis' | 'nothing';

interface Habit {
  needs: Needs;
  /** How long it lasts, in milliseconds; of a stopped replica: past its lease. */
  lasts: [min: number, max: number];
  /** About how long things take to be whole again after it. */
  mends: number;
}

export const habits = {
  /** SIGKILL of a replica, which is started again after a while. */
  kill: { needs: 'replicas', lasts: [500, 3000], mends: 1500 },
  /** SIGTERM of each replica in turn. */
  roll: { needs: 'replicas', lasts: [0, 500], mends: 8000 },
  /** SIGSTOP of a replica for longer than its lease. */
  stop: { needs: 'replicas', lasts: [1000, 4000], mends: 500 },
  /** SIGKILL of Redis, which comes back with an empty memory. */
  'redis-restart': { needs: 'redis', lasts: [0, 1500], mends: 1000 },
  'redis-pause': { needs: 'redis', lasts: [500, 4000], mends: 500 },
  /** The users move between replicas meanwhile. */
  'redis-wipe': { needs: 'redis', lasts: [1500, 3000], mends: 500 },
  /** An immediate shutdown, in the middle of commits, and recovery. */
  'postgres-restart': { needs: 'postgres', lasts: [0, 0], mends: 2500 },
  /** It is killed, and its synchronous standby promoted, which is made for that and takes its time. */
  'postgres-failover': { needs: 'postgres', lasts: [0, 1500], mends: 5000 },
  'postgres-pause': { needs: 'postgres', lasts: [300, 4000], mends: 1000 },
  /** Nothing is written, by the server's own word; reads go on. */
  'postgres-readonly': { needs: 'postgres', lasts: [500, 3000], mends: 1500 },
  /** No byte is left for its tables; its log is elsewhere. */
  'postgres-full': { needs: 'postgres', lasts: [1500, 3500], mends: 1500 },
  /** Somebody has a table for himself. */
  'postgres-lock': { needs: 'postgres', lasts: [500, 3000], mends: 500 },
  /** Somebody holds the rows of some conversations. */
  'postgres-row': { needs: 'postgres', lasts: [1000, 5000], mends: 500 },
  /** Sessions are ended by an operator. */
  'postgres-end': { needs: 'postgres', lasts: [0, 0], mends: 500 },
  /** Some statements of a replica, reads too, are answered late. */
  'postgres-late': { needs: 'wires', lasts: [500, 3000], mends: 500 },
  /** Some never are. */
  'postgres-hang': { needs: 'wires', lasts: [4000, 6000], mends: 1000 },
  /** Connections that break in the middle of an answer. */
  'postgres-torn': { needs: 'wires', lasts: [1000, 2000], mends: 500 },
  /** All connections of a replica are gone without a word; new ones work. */
  'postgres-forget': { needs: 'wires', lasts: [4000, 6000], mends: 1000 },
  /** A replica that takes no writes. */
  'redis-readonly': { needs: 'redis', lasts: [500, 3000], mends: 1000 },
  /** Rights that lack some commands. */
  'redis-refuse': { needs: 'redis', lasts: [500, 3000], mends: 1000 },
  /** The connections of a replica of ours to it are gone without a word. */
  'redis-forget': { needs: 'redis', lasts: [500, 3000], mends: 1000 },
  /** PostgreSQL, Redis or both can't be reached from a replica, while users come to it and leave it. */
  'part-postgres': { needs: 'replicas', lasts: [1000, 3000], mends: 3000 },
  'part-redis': { needs: 'replicas', lasts: [1000, 4000], mends: 500 },
  part: { needs: 'replicas', lasts: [1000, 3000], mends: 3000 },
  /** Connections that are reset before their WebSocket is open. */
  handshake: { needs: 'nothing', lasts: [500, 2000], mends: 0 },
  /** Lines that are reset at both ends. */
  cut: { needs: 'nothing', lasts: [0, 0], mends: 0 },
  /** Clients that are gone without the server's knowledge, and come in elsewhere. */
  vanish: { needs: 'nothing', lasts: [1000, 6000], mends: 0 },
  /** Lines on which nothing moves. */
  stall: { needs: 'nothing', lasts: [500, 8000], mends: 0 },
  /** Lines that are slow. */
  crawl: { needs: 'nothing', lasts: [1000, 4000], mends: 0 },
  /** Clients that stop reading while others write to them. */
  hang: { needs: 'nothing', lasts: [1000, 5000], mends: 0 },
  /** Users who log off. */
  leave: { needs: 'nothing', lasts: [1000, 8000], mends: 0 },
  /** Users who open a second connection elsewhere. */
  hop: { needs: 'nothing', lasts: [0, 0], mends: 0 },
} as const satisfies { [kind: string]: Habit };

export type Kind = keyof typeof habits;

const kindNames = Object.keys(habits);
const isKind = (name: string): name is Kind => kindNames.includes(name);

/** How often each kind comes in a round. */
export const schedules = {
  mixed: {
    ...{ kill: 4, roll: 1, stop: 2, 'redis-restart': 3, 'redis-pause': 2, 'redis-wipe': 1 },
    ...{ 'postgres-restart': 2, 'postgres-pause': 2, 'postgres-failover': 1 },
    ...{
      'postgres-readonly': 1,
      'postgres-full': 1,
      'postgres-lock': 1,
      'postgres-row': 1,
      'postgres-end': 1,
    },
    ...{ 'postgres-late': 1, 'postgres-hang': 1, 'postgres-torn': 1, 'postgres-forget': 1 },
    ...{ 'redis-readonly': 1, 'redis-refuse': 1, 'redis-forget': 1 },
    ...{ 'part-postgres': 1, 'part-redis': 1, part: 1 },
    ...{ cut: 3, vanish: 2, stall: 2, crawl: 1, hang: 2, leave: 2, hop: 1, handshake: 1 },
  },
  /** Each kind once. */
  each: Object.fromEntries(kindNames.filter(isKind).map((kind) => [kind, 1])),
  /** What stands between a replica and PostgreSQL, or PostgreSQL itself, holds up reads and writes alike. */
  reads: {
    ...{ 'postgres-late': 3, 'postgres-hang': 2, 'postgres-torn': 2, 'postgres-forget': 2 },
    ...{
      'postgres-lock': 3,
      'postgres-row': 2,
      'postgres-readonly': 1,
      'postgres-full': 1,
      'postgres-end': 1,
    },
    ...{ 'part-postgres': 2, part: 1, hop: 2, cut: 2, vanish: 2, leave: 2 },
  },
  /** PostgreSQL restarts while senders repeat their ids. */
  commits: { 'postgres-restart': 6, 'postgres-failover': 1, cut: 2, vanish: 1, kill: 1 },
  /** A replica is paused for longer than its lease. */
  lease: { stop: 6, cut: 1, hop: 2, leave: 1 },
  /** Redis is wiped while users move between replicas. */
  wipe: { 'redis-wipe': 5, 'redis-restart': 2, hop: 2, kill: 1 },
} as const satisfies { [name: string]: Partial<{ [kind in Kind]: number }> };

export type ScheduleName = keyof typeof schedules;

export interface Step {
  /** Milliseconds after the run's begin. */
  at: number;
  kind: Kind;
  lasts: number;
  /** Chooses the replica or the clients, apart from what happened before. */
  seed: number;
}

export interface Plan {
  schedule: ScheduleName;
  seed: number;
  faults: number;
  /** The time that they are spread over. */
  ms: number;
  leaseMs: number;
}

export const isSchedule = (name: string): name is ScheduleName => Object.keys(schedules).includes(name);

export function plan({ schedule, seed, faults, ms, leaseMs }: Plan): Step[] {
  const chance = random(seed).fork(`schedule ${schedule}`);
  const round = Object.entries(schedules[schedule]).flatMap(([kind, times]) =>
    isKind(kind) ? Array.from({ length: times }, () => kind) : [],
  );
  const freeAt = new Map<Needs, number>();
  const steps: Step[] = [];
  let bag: Kind[] = [];
  for (let count = 0, late = 0; count < faults; count++) {
    let at = Math.max(late, ((count + 0.9 * chance.next()) * ms) / faults);
    if (bag.length === 0) bag = chance.shuffle(round);
    const free = (kind: Kind) => freeAt.get(habits[kind].needs) ?? 0;
    const soonest = [...bag].sort((a, b) => Math.max(free(a), at) - Math.max(free(b), at))[0];
    if (!soonest) break;
    bag.splice(bag.indexOf(soonest), 1);
    at = Math.max(at, free(soonest));
    if (at > ms) break;
    const { needs, lasts: range, mends } = habits[soonest];
    const beyond = soonest === 'stop' ? leaseMs : 0;
    const lasts = beyond + chance.int(range[0], range[1]);
    if (needs !== 'nothing') freeAt.set(needs, at + lasts + mends);
    steps.push({ at: Math.round(at), kind: soonest, lasts, seed: chance.int(0, 2 ** 31) });
    late = at;
  }
  return steps;
}
