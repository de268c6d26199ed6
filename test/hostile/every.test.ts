import t from 'tap';
import { random } from '../fault/random.js';
import { build, eventually, signUp, type User } from '../helper.js';
import { builtServer } from '../process.js';
import { guests } from './guest.js';
import { Pair } from './pair.js';
import { combinations, crowd } from './peers.js';
import { startWatched } from './server.js';
import type { Visit } from './visit.js';

const SEED = 1;
const SETTINGS = {
  LOG_LEVEL: 'error',
  HEARTBEAT_SECONDS: '2',
  HEARTBEAT_TIMEOUT_SECONDS: '8',
  SLOW_SECONDS: '2',
  DRAIN_SECONDS: '0',
};
/** Bytes that the process may hold more afterwards: what it has learned meanwhile, and the database's pages. */
const GROWN = { used: 10_000_000, resident: 150_000_000 };

t.test(`whatever a peer does at whatever moment, all others are served (seed ${SEED})`, async (t) => {
  const list = random(SEED).shuffle(combinations());
  const prepared = await build(t);
  const accounts: User[] = [];
  for (let i = 0; i < list.length + 3; i++) accounts.push(await signUp(prepared));
  await prepared.stop();
  const { PORT, HOST, ...stack } = prepared.env;
  const server = await startWatched(await builtServer(t), { ...stack, ...SETTINGS });
  t.teardown(server.kill);
  const [plain, extended, guest, ...hostile] = accounts;
  if (!plain || !extended || !guest) throw new Error('there are too few users');

  const pair = await Pair.open(server.port, plain, extended);
  t.teardown(() => pair.close());
  pair.talk();
  // What is loaded and opened at the first use is there before the first look.
  const first = guests(server.port, guest);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await first.stop();
  const before = await server.holds(true);

  const visits: Visit[] = [];
  const callers = guests(server.port, guest);
  t.teardown(callers.stop);
  await crowd(
    {
      port: server.port,
      deadlines: { heartbeat: 2, silence: 8, slow: 2 },
      patienceMs: 37_000,
      seed: SEED,
      connections: list.length,
      accounts: hostile,
      arrivalMs: 3000,
    },
    () => (server.over() === undefined ? list.pop() : undefined),
    (visit) => visits.push(visit),
  );
  t.equal(server.over(), undefined, `the process lives: ${server.output().slice(-2000)}`);
  if (server.over() !== undefined) return;

  const { calls, turnedAway } = await callers.stop();
  // On a busy machine the server may say that it is.
  t.ok(turnedAway.length < calls / 4, `newcomers get in, ${calls} of them: ${turnedAway}`);
  const { sent, lost, doubled, outOfOrder, troubles } = await pair.stop();
  t.strictSame(
    [lost, doubled, outOfOrder, troubles],
    [0, 0, 0, []],
    `all ${sent} messages, once and in order`,
  );
  t.ok(sent > 100, 'the pair has talked');
  t.strictSame(
    visits.filter(({ end }) => end === 'held').map(({ stage, manner }) => `${stage}, ${manner}`),
    [],
    'nobody is held on to for longer than they have to be',
  );
  t.strictSame(
    visits
      .filter(({ end }) => end === 'refused')
      .map(({ stage, manner, why }) => `${stage}, ${manner}: ${why}`),
    [],
    'every peer came as far as it was to',
  );
  let after = await server.holds(true);
  await eventually(async () => {
    after = await server.holds(true);
    return after.descriptors <= before.descriptors;
  }, `${before.descriptors} descriptors before, ${after.descriptors} after`);
  const last = guests(server.port, guest);
  t.strictSame((await last.stop()).turnedAway, [], 'and when all have gone everybody does');
  t.comment(JSON.stringify({ before, after, visits: visits.length, calls, sent }));
  t.ok(after.used < before.used + GROWN.used, `${after.used} bytes are used, ${before.used} before`);
  t.ok(
    after.resident < before.resident + GROWN.resident,
    `${after.resident} in memory, ${before.resident} before`,
  );
});
