import { statementsAlone } from './alone.js';
import { away, awayBoth } from './away.js';
import { burst } from './burst.js';
import { reacting, syncChanged } from './changes.js';
import { embedded } from './embedded.js';
import { bareGroup, channelBesideGroup, groupAt, groupsFull, joining } from './groups.js';
import { idleOn, idleWith, syncedWith } from './idle.js';
import { extendedTalker, type OpenTalker } from './load.js';
import { logins } from './logins.js';
import { looks } from './looks.js';
import { manyAt } from './many.js';
import { type Bench, type Figures, fresh } from './measure.js';
import { pagesOf } from './pages.js';
import { whileRedisIsStopped } from './redis-stopped.js';
import { reopening } from './reopening.js';
import { bareReplicasOn, leases, replicasOn } from './replicas.js';
import { besideSnapshot } from './snapshot.js';
import { contactsAt, loadOn, openLoopOn } from './steady.js';

const BARE = 'test/bench/bare.mjs';
const CONFIRMS = { CONFIRMS: '1' };
/** Pairs that talk over the libraries alone; what two instances pass on goes through Redis. */
const bare =
  (instances: number, open?: OpenTalker) =>
  (bench: Bench): Promise<Figures> =>
    loadOn(bench, instances > 1 ? { REDIS_ADDR: bench.stack.redis.addr } : {}, 8, instances, 50, BARE, open);

export const scenarios: Record<string, (bench: Bench) => Promise<Figures>> = {
  'the libraries alone, nothing stored: 50 pairs, 8 in flight': bare(1),
  'the libraries alone, nothing stored: 50 pairs, extended': bare(1, extendedTalker),
  'the libraries alone, nothing stored: two instances, 50 pairs': bare(2),
  'the libraries alone, nothing stored: two instances, 50 pairs, extended': bare(2, extendedTalker),
  'the libraries alone, nothing stored: 3,500 users, 1,500 messages/s': (bench) =>
    openLoopOn(bench, CONFIRMS, 3500, 1500, undefined, BARE),
  'the libraries alone, nothing stored: 3,500 users, 12,000 messages/s': (bench) =>
    openLoopOn(bench, CONFIRMS, 3500, 12_000, undefined, BARE),
  'one instance, 50 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env)),
  'one instance, 50 pairs, 8 in flight, extended': fresh((bench, env) =>
    loadOn(bench, env, 8, 1, 50, undefined, extendedTalker),
  ),
  'two instances, 50 pairs, 8 in flight, extended': fresh((bench, env) =>
    loadOn(bench, env, 8, 2, 50, undefined, extendedTalker),
  ),
  'one instance, 50 pairs, 1 in flight': fresh((bench, env) => loadOn(bench, env, 1)),
  'two instances, 50 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env, 8, 2)),
  'one instance, 10 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env, 8, 1, 10)),
  'one instance, 500 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env, 8, 1, 500)),
  'one instance, 500 pairs, 8 in flight, with limits': fresh((bench, env) =>
    // That high that nobody meets one.
    loadOn(bench, { ...env, LIMITS: 'on', SENDS_PER_SECOND: '10000' }, 8, 1, 500),
  ),
  '10 pairs beside an open snapshot': fresh((bench, env) => besideSnapshot(bench, env, 10)),
  '3,500 users, 1,500 messages/s': fresh((bench, env) => openLoopOn(bench, env, 3500, 1500)),
  '3,500 users, 6,000 messages/s': fresh((bench, env) => openLoopOn(bench, env, 3500, 6000)),
  '3,500 users, 12,000 messages/s': fresh((bench, env) => openLoopOn(bench, env, 3500, 12_000)),
  '3,500 users with 20 contacts, 1,500 messages/s': (bench) => contactsAt(bench, 3500, 20, 1500),
  '3,500 users with 20 contacts, 12,000 messages/s': (bench) => contactsAt(bench, 3500, 20, 12_000),
  '200 in a conversation, 50 messages/s': (bench) => manyAt(bench, 200, 50),
  'the libraries alone: a group of 200, 50 messages/s': (bench) => bareGroup(bench, 200, 50, BARE),
  'a group of 200, 50 messages/s': (bench) =>
    groupAt(bench, { kind: 'group', members: 200 }, { live: 200 }, { rate: 50 }),
  'a group of 200, 50 in flight': (bench) =>
    groupAt(bench, { kind: 'group', members: 200 }, { live: 200 }, { inFlight: 50 }),
  'a group of 1,000 who are all connected, 20 messages/s': (bench) =>
    groupAt(bench, { kind: 'group', members: 1000 }, { live: 1000 }, { rate: 20 }),
  '50 groups of 3, 8 in flight': (bench) => groupsFull(bench, 50, 3, 8),
  '50 groups of 200, 8 in flight': (bench) => groupsFull(bench, 50, 200, 8),
  '3 channels of 3,000, 100 in flight': (bench) => groupsFull(bench, 3, 3000, 100),
  'a channel of 10,000, 50 have it open, and a group of 50, 50 messages/s': (bench) =>
    channelBesideGroup(bench, 10_000, 50, 0, { rate: 50 }),
  'a channel of 10,000, 50 have it open, and a group of 50, 50 in flight': (bench) =>
    channelBesideGroup(bench, 10_000, 50, 0, { inFlight: 50 }),
  'a channel of 10,000, 50 have it open, 1,000 have it parked, 50 messages/s': (bench) =>
    channelBesideGroup(bench, 10_000, 50, 1000, { rate: 50 }),
  'joining a channel of 1,000,000 messages': (bench) => joining(bench, 1_000_000),
  'ten who react without pause, and one who writes': (bench) => reacting(bench, 10, 20),
  '200 who react to one message, 1,000 reactions/s': (bench) => burst(bench, 200, 1000),
  'sync of 1,000 conversations, 10 changed in each': (bench) => syncChanged(bench, 1000, 10),
  '20,000 messages to people who are away': away,
  'to people away, then fetching, plain and extended': (bench) => awayBoth(bench),
  'the libraries alone, nothing stored: to people away, then fetching': (bench) => awayBoth(bench, BARE),
  'get_offline, 1,000 in each of 1,000': (bench) => pagesOf(bench, 1000, 1000, 'mixed'),
  'get_offline, one conversation after the other': (bench) => pagesOf(bench, 1000, 1000, 'in turn'),
  'a user with 1,000 conversations': (bench) => reopening(bench, 1000),
  'a user with 20,000 conversations': (bench) => reopening(bench, 20_000),
  '5,000 idle connections': fresh((bench, env) => idleOn(bench, env, 5000)),
  '10,000 idle connections': fresh((bench, env) => idleOn(bench, env, 10_000)),
  '10,000 idle with 20 conversations each': (bench) => idleWith(bench, 10_000, 20),
  'the statements alone': (bench) => statementsAlone(bench),
  'the libraries alone: 10,000 connections': (bench) => idleOn(bench, {}, 10_000, BARE),
  'the libraries alone: 10,000 connections, extended': (bench) =>
    idleOn(bench, {}, 10_000, BARE, syncedWith(20)),
  'to another instance, Redis stopped': fresh((bench, env) => whileRedisIsStopped(bench, env, 100, 1000)),
  '8 clients that sign in beside 200 messages/s': logins,
  '2 replicas': (bench) => replicasOn(bench, 2),
  '4 replicas': (bench) => replicasOn(bench, 4),
  '8 replicas': (bench) => replicasOn(bench, 8),
  '2 replicas on a Redis Cluster': (bench) => replicasOn(bench, 2, true),
  '4 replicas on a Redis Cluster': (bench) => replicasOn(bench, 4, true),
  '8 replicas on a Redis Cluster': (bench) => replicasOn(bench, 8, true),
  'the libraries alone, nothing stored: 2 replicas on a Redis Cluster': (bench) =>
    bareReplicasOn(bench, 2, BARE),
  'the libraries alone, nothing stored: 8 replicas on a Redis Cluster': (bench) =>
    bareReplicasOn(bench, 8, BARE),
  'leases of 2,000 users': (bench) => leases(bench),
  'leases of 2,000 users on a Redis Cluster': (bench) => leases(bench, true),
  'looks at what was stored, by conversations': (bench) => looks(bench, [10, 1000, 10_000]),
  'embedded, 50 pairs, 8 in flight': embedded,
};
