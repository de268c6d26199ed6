/** PostgreSQL and its standby: one that loses nothing costs nobody anything, one that lacks something is noticed. */
import { createServer } from 'node:net';
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { type Client, connect, connectSynced, eventually, signUp, type User } from '../helper.js';
import { type Postgres, startPostgres } from '../nodes/postgres.js';
import { addressOn, makeSynchronous, promote, startStandby } from '../nodes/standby.js';
import { Talker, twoServers } from './talker.js';

t.setTimeout(300_000);

/** A primary and its standby, with a database on both. */
async function pair(
  t: Test,
  synchronous: boolean,
): Promise<{ primary: Postgres; standby: Postgres; database: string; url: string }> {
  const primary = await startPostgres();
  t.teardown(() => primary.stop());
  const database = await primary.createDatabase();
  const standby = await startStandby(primary);
  t.teardown(() => standby.stop());
  if (synchronous) await makeSynchronous(primary);
  return { primary, standby, database, url: addressOn(database, [primary.port, standby.port]) };
}

t.test('a synchronous standby that is promoted under load closes nobody, and loses nothing', async (t) => {
  const { primary, standby, url } = await pair(t, true);
  const [one, two] = await twoServers(t, url);
  const people: [User, User][] = [];
  for (let i = 0; i < 20; i++) people.push([await signUp(one), await signUp(two)]);
  const receivers: Client[] = [];
  const talkers: Talker[] = [];
  for (const [i, [from, to]] of people.entries()) {
    receivers.push(await connectSynced(t, two, to));
    talkers.push(new Talker(await connectSynced(t, one, from), to.user_id, `m${i}`));
  }
  const plain = await connect(t, two, await signUp(two));
  await eventually(() => talkers.every(({ stored }) => stored.size > 50), 'too few are stored', 60_000);

  const killed = performance.now();
  await primary.kill9();
  await promote(standby);
  const before = talkers.map(({ stored }) => stored.size);
  await eventually(
    () => talkers.every(({ stored }, i) => stored.size > (before[i] ?? 0) + 20),
    'it does not go on',
    60_000,
  );
  t.comment(`${Math.round(performance.now() - killed)} ms until everybody had stored 20 more`);
  await Promise.all(talkers.map((talker) => talker.finish()));

  t.notOk(one.app.db.history.isOver || two.app.db.history.isOver);
  for (const { socket } of [...receivers, ...talkers.map(({ client }) => client), plain])
    t.equal(socket.readyState, 1, 'nobody is closed');
  const total = talkers.reduce((sum, { stored }) => sum + stored.size, 0);
  t.comment(`${total} messages`);
  for (const [i, receiver] of receivers.entries()) {
    const wanted = talkers[i]?.stored.size ?? 0;
    await receiver.until(() => receiver.of('chat').length >= wanted, 'not all came');
    t.strictSame(
      receiver.of('chat').map(({ seq }) => seq),
      Array.from({ length: wanted }, (_, j) => j + 1),
      'each once, in order',
    );
  }
  // Whoever comes back drops nothing.
  for (const [i, [from]] of people.entries()) {
    const last = [...(talkers[i]?.stored.values() ?? [])].reduce((x, y) => (y.seq > x.seq ? y : x));
    const back = await connect(t, two, from, { extended: true });
    t.equal(back.of('welcome')[0]?.epoch, one.app.db.epoch);
    back.send('sync', { positions: [last] });
    await back.next('synced');
    t.strictSame([back.of('reset').length, back.of('chat').length], [0, 0]);
    back.socket.terminate();
  }
});

/** A server on a database, and something that is said there. @returns says it, and whether it is stored */
async function speaker(t: Test, url: string) {
  const [server] = await twoServers(t, url);
  const [alice, bob] = [await signUp(server), await signUp(server)];
  return async () => {
    const body = { to_user_id: bob.user_id, content: 'x' };
    return (
      (await server.request('POST', '/api/messages', { token: alice.token, body })).body.message === 'ok'
    );
  };
}

t.test('of several servers the one that takes writes is used, wherever it stands', async (t) => {
  const { primary, standby, database } = await pair(t, true);
  const say = await speaker(t, addressOn(database, [standby.port, primary.port]));
  t.ok(await say());
  await primary.kill9();
  await promote(standby);
  await eventually(say, 'it does not find the other', 30_000);
  // The one before follows it now, on its own port.
  const back = await startStandby(standby, { port: primary.port });
  t.teardown(() => back.stop());
  await makeSynchronous(standby);
  t.ok(await say());
  await standby.kill9();
  await promote(back);
  await eventually(say, 'it does not go back', 30_000);
});

t.test('a server that hangs is left for one that has taken over', async (t) => {
  const { primary, standby, url } = await pair(t, true);
  const say = await speaker(t, url);
  t.ok(await say());
  await primary.pause();
  t.teardown(() => primary.resume());
  await promote(standby);
  const since = performance.now();
  await eventually(say, 'it waits for the one that hangs', 30_000);
  t.comment(`${Math.round(performance.now() - since)} ms until it is stored`);
});

t.test('where no server answers they are knocked at now and then, not all the time', async (t) => {
  const { primary, standby, url } = await pair(t, false);
  await twoServers(t, url);
  await Promise.all([primary.kill9(), standby.kill9()]);
  let knocks = 0;
  const doors = [primary, standby].map(({ port }) =>
    createServer((socket) => {
      knocks++;
      socket.on('error', () => {}).resetAndDestroy();
    }).listen(port, '127.0.0.1'),
  );
  t.teardown(() => {
    for (const door of doors) door.close();
  });
  await eventually(() => knocks > 0, 'nobody knocks');
  const before = knocks;
  const since = performance.now();
  await eventually(() => performance.now() - since > 2000, 'time stands');
  t.comment(`${knocks - before} in two seconds`);
  t.ok(knocks > before && knocks - before < 200);
});

t.test('a standby that lacks the last messages is another history', async (t) => {
  const { primary, standby, url } = await pair(t, false);
  const [one, two] = await twoServers(t, url);
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const a = await connectSynced(t, one, alice);
  const b = await connectSynced(t, two, bob);
  const talker = new Talker(a, bob.user_id, 'm', 1);
  await eventually(() => talker.stored.size > 20, 'nothing is stored');
  talker.stop();
  // What the standby doesn't get any more.
  await standby.kill9();
  const { body } = await one.request('POST', '/api/messages', {
    token: alice.token,
    body: { to_user_id: bob.user_id, content: 'the last' },
  });
  t.equal(body.message, 'ok');
  await b.until(() => b.frames.some(({ content }) => content === 'the last'), 'it does not come');
  await primary.kill9();
  await standby.restart('fast');
  await promote(standby);
  const ended = async ({ app }: { app: FastifyInstance }) =>
    t.match(await app.db.dead, { name: 'OtherHistoryError' });
  await Promise.all([ended(one), ended(two)]);
  for (const client of [a, b]) t.equal((await client.closed).code, 1012);
});
