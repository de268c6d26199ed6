/** Users who change between two instances as fast as they can. */
import { createClient } from 'redis';
import t from 'tap';
import WebSocket from 'ws';
import { namespaceOf } from '../../plugins/bus/bus.js';
import { build, Client, eventually, type Server, signUp, type User } from '../helper.js';

t.setTimeout(120_000);
const SEED = Number(process.env.TEST_SEED ?? 20_261_125);
const MOVES = 400;

/** Numbers from 0 up to a bound, the same for the same seed (a linear congruential generator). */
function random(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);

t.test(
  `[O6] ten users hopping between two instances keep all extended connections, and of the plain ones the newest (seed ${SEED})`,
  async (t) => {
    const next = random(SEED);
    const users = await Promise.all(Array.from({ length: 10 }, () => signUp(one)));
    const sockets = new Map<User, Client[]>(users.map((user) => [user, []]));
    const opening: Promise<void>[] = [];
    const hop = (user: User, server: Server, extended: boolean) => {
      const socket = new WebSocket(
        `${server.url.replace('http', 'ws')}/ws?token=${user.token}`,
        extended ? ['chat.v2'] : [],
      );
      t.teardown(() => socket.terminate());
      sockets.get(user)?.push(new Client(socket, extended));
      opening.push(new Promise((resolve) => socket.once('open', resolve).once('close', () => resolve())));
    };
    for (let move = 0; move < MOVES; move++) {
      const user = users[next(users.length)] as User;
      hop(user, next(2) ? one : two, next(2) === 1);
      // At times one leaves by itself, in the middle of whatever happens to it.
      const own = sockets.get(user) ?? [];
      const left = own[next(own.length)]?.socket;
      if (next(10) === 0 && left?.readyState === WebSocket.OPEN) left.terminate();
      // Now and then everybody waits, so that not all of it is one crowd.
      if (next(8) === 0) await opening.at(-1);
    }
    await Promise.all(opening);
    // The last moves: everybody ends at both instances.
    for (const user of users)
      for (const server of [one, two]) for (const extended of [true, false]) hop(user, server, extended);
    await Promise.all(opening);

    const live = (user: User) =>
      sockets.get(user)?.filter(({ socket }) => socket.readyState === WebSocket.OPEN) ?? [];
    const plain = (user: User) => live(user).filter(({ extended }) => !extended).length;
    await eventually(
      () => users.every((user) => plain(user) === 1),
      `plain connections: ${users.map((user) => plain(user))}`,
    );
    const redis = createClient({ url: one.env.REDIS_ADDR ?? '' });
    await redis.connect();
    t.teardown(() => redis.destroy());
    for (const user of users) {
      const held = [one, two].flatMap(({ app, port }) => {
        const connections = app.hub.connectionsOf(user.user_id);
        const number = connections.find((connection) => connection.alone)?.number ?? 0;
        const ports = connections.map(() => String(port));
        return connections.length === 0 ? [] : [{ ports, line: `${number}:${app.bus.replica}` }];
      });
      const lines = await redis.get(`${namespaceOf(one.app.db.database)}:online:${user.user_id}`);
      t.strictSame(
        lines
          ?.split('\n')
          .map((line) => line.replace(/:\d+:(?=[^:]+$)/, ':'))
          .sort(),
        held.map(({ line }) => line).sort(),
      );
      t.strictSame(
        live(user)
          .map(({ socket }) => new URL(socket.url).port)
          .sort(),
        held.flatMap(({ ports }) => ports).sort(),
      );
      for (const client of sockets.get(user) ?? [])
        if (!live(user).includes(client)) {
          // Extended ones end by themselves alone.
          const ends = client.extended ? [1006] : [1006, 4002];
          t.ok(ends.includes((await client.closed).code));
        }
    }
  },
);
