import t from 'tap';
import { fuzz } from './fuzz.js';
import { build, connect, eventually, signUp } from './helper.js';

/** Seeds that once found something stay here. */
const SEEDS = [1];
const ROUNDS = 300;

t.test(
  'whatever comes in, and however it ends, the server answers no 5xx, breaks no protocol, keeps nothing, and serves on',
  async (t) => {
    const server = await build(t);
    const speakers = await Promise.all(Array.from({ length: 8 }, () => signUp(server)));
    for (const seed of SEEDS) {
      const { rounds, answers, problems } = await fuzz({
        port: server.port,
        seed,
        speakers,
        goesOn: (rounds) => rounds < ROUNDS,
      });
      t.strictSame(problems, [], `seed ${seed}`);
      t.ok(rounds >= ROUNDS);
      for (const word of ['politely', 'resets', 'cuts', 'half-closes', 'stalls, then cuts'])
        t.ok(answers.has(word), `some end so: ${word}`);
      // It gets as far as what it is to try: not all is turned away at the door.
      for (const word of '101 200 400 401 404 405 1002 error chat welcome synced sent'.split(' '))
        t.ok(answers.has(word), `${word} is among the answers`);
    }
    const connections = () =>
      new Promise<number>((resolve) => server.app.server.getConnections((_, count) => resolve(count)));
    await eventually(
      async () => (await connections()) === 0,
      'a connection is left when all clients have gone',
    );
    t.equal(server.app.hub.size, 0, 'nobody counts as connected');
    const [alice, bob] = [await signUp(server), await signUp(server)];
    const client = await connect(t, server, bob);
    const body = { to_user_id: bob.user_id, content: 'still here' };
    t.equal((await server.request('POST', '/api/messages', { token: alice.token, body })).status, 200);
    t.match(await client.next('chat'), { content: 'still here' });
    t.equal((await server.request('GET', '/readyz')).status, 200);
  },
);
