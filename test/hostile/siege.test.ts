import t from 'tap';
import { random } from '../fault/random.js';
import { freshStack } from '../helper.js';
import { builtServer } from '../process.js';
import { makeAccounts } from './accounts.js';
import { attack, attackNames } from './attacks.js';
import { Pair } from './pair.js';
import { startWatched } from './server.js';
import { besiege } from './siege.js';

t.setTimeout(300_000);

const SEED = 1;
const PASSWORD = 'the right one';
const HASH = '$2b$10$Hxh4OXIMca6Kt4ZZxP1RAegK65sFm0rSe1UBaqZwHdfUWtYJMwAvq';
/** Milliseconds that a sign-in may take on a machine that has the attacker and this test to carry, too. */
const LOGIN_MS = 3000;

t.test(`whoever floods the doors keeps nobody out and delays nobody's messages (seed ${SEED})`, async (t) => {
  const path = await builtServer(t);
  const env = {
    ...(await freshStack(t)),
    JWT_SECRET: 'a secret for hostile peers, long enough',
    LOG_LEVEL: 'error',
    TRUSTED_PROXIES: '127.0.0.1',
  };
  const [plain, extended, known, ...others] = await makeAccounts(path, env, 203, HASH);
  if (!plain || !extended || !known) throw new Error('there are too few users');
  const server = await startWatched(path, env);
  t.teardown(server.kill);
  const pair = await Pair.open(server.port, plain, extended);
  t.teardown(() => pair.close());
  pair.talk();
  const names = others.map(({ username }) => username);
  const target = {
    port: server.port,
    addresses: 50,
    accounts: others.slice(0, 50),
    names: names.slice(50, 100),
  };
  const scene = {
    ...{ server, pair, password: PASSWORD, known: known.username, fresh: names.slice(100) },
    ...{ quietMs: 1500, calmMs: 0 },
  };
  for (const name of attackNames()) {
    const {
      met,
      logins,
      pair: waits,
    } = await besiege(name, scene, () => attack(name, target, random(SEED), 3000));
    t.comment(JSON.stringify({ name, met, logins, waits }));
    t.strictSame(logins.known.refused, [], `${name}: who has been here before gets in`);
    t.ok(logins.known.slowest < LOGIN_MS, `${name}: soon, in ${logins.known.slowest} ms`);
    t.strictSame(logins.fresh.refused, [], `${name}: so does who comes for the first time`);
    const kept = met['429'] ?? met['503'] ?? met.sent ?? 0;
    t.ok(kept > 1000, `${name}: most is kept out, ${JSON.stringify(met)}`);
  }
  const { sent, lost, doubled, outOfOrder, troubles } = await pair.stop();
  t.strictSame(
    [lost, doubled, outOfOrder, troubles],
    [0, 0, 0, []],
    `all ${sent} messages, once and in order`,
  );
  t.equal(server.over(), undefined, 'the process lives');
});
