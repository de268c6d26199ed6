import t from 'tap';
import { random } from '../fault/random.js';
import { freshStack } from '../helper.js';
import { builtServer } from '../process.js';
import { makeAccounts } from './accounts.js';
import { attack, attackNames } from './attacks.js';
import { Pair } from './pair.js';
import { startWatched } from './server.js';
import { besiege, ownDevice } from './siege.js';

t.setTimeout(600_000);

const SEED = 1;
const PASSWORD = 'the right one';
const HASH = '$2b$10$Hxh4OXIMca6Kt4ZZxP1RAegK65sFm0rSe1UBaqZwHdfUWtYJMwAvq';
/** Milliseconds that a sign-in may take on a machine that has the attacker and this test to carry, too, or so often what it took before. */
const LOGIN_MS = 3000;
const LOGIN_TIMES = 5;
/** Milliseconds after which an attack ends, on a machine that is slow. */
const ATTACK_MS = 15_000;

t.test(`whoever floods the doors keeps nobody out and delays nobody's messages (seed ${SEED})`, async (t) => {
  const path = await builtServer(t);
  const env = {
    ...(await freshStack(t)),
    JWT_SECRET: 'a secret for hostile peers, long enough',
    LOG_LEVEL: 'error',
    TRUSTED_PROXIES: '127.0.0.1',
    // Each is a run of bcrypt.
    ADDRESS_FAILURES: '3',
  };
  const [plain, extended, known, ...others] = await makeAccounts(path, env, 203, HASH);
  if (!plain || !extended || !known) throw new Error('there are too few users');
  const server = await startWatched(path, env);
  const cookie = await ownDevice(server.port, known.username, PASSWORD);
  t.teardown(server.kill);
  const pair = await Pair.open(server.port, plain, extended);
  t.teardown(() => pair.close());
  pair.talk();
  const names = others.map(({ username }) => username);
  const target = {
    port: server.port,
    addresses: 20,
    accounts: others.slice(0, 4),
    names: [known.username, ...names.slice(50, 60)],
    cookieName: cookie.split('=')[0] ?? '',
  };
  const scene = {
    ...{ server, pair, password: PASSWORD, known: { name: known.username, cookie }, fresh: names.slice(100) },
    ...{ quietMs: 1500, calmMs: 0 },
  };
  for (const name of attackNames()) {
    const {
      met,
      usual,
      logins,
      pair: waits,
    } = await besiege(name, scene, () => attack(name, target, random(SEED), { count: 2000, ms: ATTACK_MS }));
    t.comment(JSON.stringify({ name, met, usual, logins, waits }));
    t.strictSame(logins.known.refused, [], `${name}: who is on a device of theirs gets in`);
    t.ok(
      logins.known.slowest < Math.max(LOGIN_MS, LOGIN_TIMES * usual),
      `${name}: soon, in ${logins.known.slowest} ms`,
    );
    t.strictSame(logins.fresh.refused, [], `${name}: so does who comes for the first time`);
    t.equal(met['500'], undefined, `${name}: nothing of it fails the server`);
    // To a device that was made up the answer is 401, and no work for bcrypt.
    const passed =
      (met['200'] ?? 0) + (name === 'made-up devices that ask for tokens' ? 0 : (met['401'] ?? 0));
    t.ok(passed < 1000, `${name}: most is kept out, ${JSON.stringify(met)}`);
  }
  const { sent, lost, doubled, outOfOrder, troubles } = await pair.stop();
  t.strictSame(
    [lost, doubled, outOfOrder, troubles],
    [0, 0, 0, []],
    `all ${sent} messages, once and in order`,
  );
  t.equal(server.over(), undefined, 'the process lives');
});
