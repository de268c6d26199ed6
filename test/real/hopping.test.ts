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
  `[O6] ten users hopping between two instances end with one connection each (seed ${SEED})`,
  async (t) => {
    const next = random(SEED);
    const users = await Promise.all(Array.from({ length: 10 }, () => signUp(one)));
    const sockets = new Map<User, Client[]>(users.map((user) => [user, []]));
    const opening: Promise<void>[] = [];
    const hop = (user: User, server: Server) => {
      const socket = new WebSocket(
        `${server.url.replace('http', 'ws')}/ws?token=${user.token}`,
        next(2) ? ['chat.v2'] : [],
      );
      t.teardown(() => socket.terminate());
      sockets.get(user)?.push(new Client(socket, socket.protocol === 'chat.v2'));
      opening.push(new Promise((resolve) => socket.once('open', resolve).once('close', () => resolve())));
    };
    for (let move = 0; move < MOVES; move++) {
      const user = users[next(users.length)] as User;
      hop(user, next(2) ? one : two);
      // At times one leaves by itself, in the middle of whatever happens to it.
      const own = sockets.get(user) ?? [];
      const left = own[next(own.length)]?.socket;
      if (next(10) === 0 && left?.readyState === WebSocket.OPEN) left.terminate();
      // Now and then everybody waits, so that not all of it is one crowd.
      if (next(8) === 0) await opening.at(-1);
    }
    // The last move of everybody, so that nobody is away at the end.
    for (const user of users) hop(user, next(2) ? one : two);
    await Promise.all(opening);

    const live = (user: User) =>
      sockets.get(user)?.filter(({ socket }) => socket.readyState === WebSocket.OPEN) ?? [];
    await eventually(
      () => users.every((user) => live(user).length === 1),
      `connections: ${users.map((user) => live(user).length)}`,
    );
    const redis = createClient({ url: one.env.REDIS_ADDR ?? '' });
    await redis.connect();
    t.teardown(() => redis.destroy());
    for (const user of users) {
      const holders = [one, two].filter(({ app }) => app.hub.connectionOf(user.user_id)?.isOpen);
      t.equal(holders.length, 1);
      const [holder] = holders as [Server];
      const { number } = holder.app.hub.connectionOf(user.user_id) ?? {};
      t.equal(
        await redis.get(`${namespaceOf(holder.app.db.epoch)}:online:${user.user_id}`),
        `${number}:${holder.app.bus.replica}`,
      );
      const [left] = live(user);
      t.equal(new URL(left?.socket.url ?? '').port, String(holder.port));
      for (const client of sockets.get(user) ?? [])
        if (client !== left) t.ok([1006, 4002].includes((await client.closed).code));
    }
  },
);
