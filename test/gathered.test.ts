import t from 'tap';
import { gathered } from '../plugins/gathered.js';

t.test('what is asked for together is one call, and more than it takes are in the next', async (t) => {
  const calls: number[][] = [];
  const ask = gathered<number, number>(async (keys) => {
    calls.push(keys);
    return new Map(keys.map((key) => [key, 2 * key]));
  }, 3);
  t.strictSame(await Promise.all([1, 2, 3, 4, 5, 2].map(ask)), [2, 4, 6, 8, 10, 4]);
  t.strictSame(calls, [
    [1, 2, 3],
    [4, 5, 2],
  ]);
});

t.test('a call that fails fails for its keys alone', async (t) => {
  const ask = gathered<number, number>(async (keys) => {
    if (keys.includes(1)) throw new Error('not now');
    return new Map(keys.map((key) => [key, key]));
  }, 2);
  const answers = await Promise.allSettled([1, 2, 3].map(ask));
  t.strictSame(
    answers.map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  );
});
