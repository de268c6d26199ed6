import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { LIMITS } from '../../schemas/limits.js';
import { random } from '../fault/random.js';
import { build, signUp, type User } from '../helper.js';
import { builtServer } from '../process.js';
import { rawFrame } from '../raw.js';
import { Peer } from './peer.js';
import { startWatched } from './server.js';
import { STAGES } from './stages.js';

/** Bytes over the idle server that they may take at any time, garbage that V8 hasn't collected yet among them. */
const PEAK = 512_000_000;
/** The same once all are held back and garbage is collected: what is held for them. */
const HELD = 256_000_000;
/** Milliseconds without a byte taken from them, while the server isn't busy, after which all count as held back. */
const QUIET_MS = 3000;
/** Milliseconds by which they must be. Nobody is closed for being slow by then: it is the bounds that hold. */
const PATIENCE_MS = 90_000;

/**
 * What has the longest answers for its length, in either protocol, and what the protocol below has; and how many peers ask it.
 * Fewer have short answers: the system keeps megabytes for each connection, and those take long to fill.
 */
const QUESTIONS = [
  { peers: 64, stage: STAGES.plain, ask: () => rawFrame(1, '{"type":"get_online_list"}') },
  {
    peers: 64,
    stage: STAGES.synced,
    ask: () => {
      const user_ids = Array.from({ length: LIMITS.watchedUsers }, (_, i) => i + 1);
      return rawFrame(1, JSON.stringify({ type: 'presence', user_ids }));
    },
  },
  { peers: 64, stage: STAGES.synced, ask: () => rawFrame(9, 'x'.repeat(125)) },
  {
    peers: 8,
    stage: STAGES['not synced'],
    ask: () => rawFrame(1, '{"type":"sync","epoch":"another","positions":[]}'),
  },
];

t.test('two hundred who are signed in, ask without end and read nothing fill no memory', async (t) => {
  const prepared = await build(t);
  const users: { user: User; question: (typeof QUESTIONS)[number] }[] = [];
  for (const question of QUESTIONS)
    for (let i = 0; i < question.peers; i++) users.push({ user: await signUp(prepared), question });
  await prepared.stop();
  const env = { ...prepared.env, LOG_LEVEL: 'error', SLOW_SECONDS: '600' };
  const server = await startWatched(await builtServer(t), env);
  t.teardown(server.kill);

  const draw = random(1);
  const peers: { peer: Peer; questions: Buffer }[] = [];
  for (const { user, question } of users) {
    const { stage, ask } = question;
    const peer = await Peer.open(server.port, undefined, user, draw.fork(`peer ${user.user_id}`));
    t.teardown(() => peer.socket.destroy());
    await stage.reach(peer);
    const one = ask();
    peers.push({ peer, questions: Buffer.concat(Array(Math.ceil(32_000 / one.length)).fill(one)) });
  }
  const { resident: idle } = await server.holds(true);
  let most = idle;
  let asked = 0;
  let taken = performance.now();
  let round = taken;
  const end = taken + PATIENCE_MS;
  const goesOn = () =>
    round < taken + QUIET_MS && performance.now() < end && most < idle + PEAK && server.over() === undefined;
  for (const { peer, questions } of peers) {
    peer.socket.pause();
    void (async () => {
      while (goesOn() && !peer.gone) {
        await peer.push(questions);
        asked += questions.length;
        taken = performance.now();
      }
    })();
  }
  const rounds = (async () => {
    for (; goesOn(); await sleep(100)) {
      await server.holds(false).catch(() => {});
      round = performance.now();
    }
  })();
  for (; goesOn(); await sleep(50)) most = Math.max(most, await server.resident());
  await rounds;
  const mb = (bytes: number) => Math.round(bytes / 1_000_000);
  t.equal(server.over(), undefined, 'the process lives');
  t.ok(performance.now() < end, 'they are held back at last');
  const asks = `over the ${mb(idle)} MB of the idle server, ${mb(asked)} MB asked`;
  t.ok(most < idle + PEAK, `at most ${mb(most - idle)} MB ${asks}`);
  const { resident } = await server.holds(true);
  t.ok(resident < idle + HELD, `in the end ${mb(resident - idle)} MB ${asks}`);
});
