/** How often changes are told, by a clock that stands until the test moves it. */
import { mock } from 'node:test';
import t from 'tap';
import type { ChangeNews } from '../plugins/connection/change-news.js';
import { Feed } from '../plugins/hub/feed.js';
import { CHANGES } from '../schemas/limits.js';
import { build, signUp } from './helper.js';

const server = await build(t);
const { db, log } = server.app;

t.test('[E7] a change is told at once, and more of them four times a second, none left out', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const body = { to_user_id: bob.user_id, content: 'hello' };
  const { token } = alice;
  const sent = await server.request('POST', '/api/messages', { token, body });
  const { conversation_id: conversation, seq } = sent.body.data;

  let now = 1000;
  const told: number[][] = [];
  const connection = {
    deliverChanges: ({ after, end, messages }: ChangeNews) =>
      void told.push([now, after, end, messages.length]),
    terminate: () => {},
  };
  const feed = new Feed(
    log,
    db,
    { broadcast: async () => {} },
    { of: (user) => (user === bob.user_id ? [connection] : []), has: () => true },
    { isElsewhere: () => false },
    { send: async () => [] },
    { told: 0 },
  );
  t.teardown(() => feed.close());
  t.intercept(performance, 'now', { value: () => now });
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());

  let change = 0;
  /** Moves the clock, ten milliseconds at a time, with a change in each of so many first ones. */
  const pass = async (ms: number, changes = 0) => {
    for (let passed = 0; passed < ms; passed += 10) {
      if (passed < changes * 10) {
        const place = { conversation_id: conversation, change: ++change, seq, at: new Date() };
        await db.sql`insert into changes ${db.sql(place)}`;
        await db.sql`update messages set change = ${change} where conversation_id = ${conversation} and seq = ${seq}`;
        feed.stored({ conversation, first: change, last: change });
      }
      mock.timers.tick(0);
      await Reflect.get(feed, 'telling');
      now += 10;
      mock.timers.tick(10);
      await Reflect.get(feed, 'telling');
    }
  };
  const { gatherMs } = CHANGES;
  t.equal(gatherMs, 250);
  await pass(1500, 100);
  t.strictSame(told.splice(0), [
    [1000, 0, 1, 1],
    [1250, 1, 25, 1],
    [1500, 25, 50, 1],
    [1750, 50, 75, 1],
    [2000, 75, 100, 1],
  ]);
  await pass(10, 1);
  t.strictSame(told.splice(0), [[2500, 100, 101, 1]], 'where it is quiet');
  change += CHANGES.walk + 1000;
  await pass(500, 1);
  t.strictSame(told, [[2750, change - 1, change, 1]], 'from where it hears of it again');
});
