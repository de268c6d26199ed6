import t from 'tap';
import { createDrafts } from '../../static/app/drafts.js';
import type { Keeper, Stores } from '../../static/app/records.js';

/** Two tabs of one browser, with the store that they share. */
function twoTabs() {
  const kept = new Map<number, Stores['drafts']>();
  const keeper: Keeper = {
    all: async <K extends keyof Stores>(name: K): Promise<Stores[K][]> =>
      JSON.parse(JSON.stringify(name === 'drafts' ? [...kept.values()] : [])),
    async write(...changes) {
      for (const change of changes) {
        if ('remove' in change) kept.delete(Number(change.remove));
        else if (change.store === 'drafts') kept.set(change.put.user_id, change.put);
      }
    },
    pending: () => false,
  };
  return { one: createDrafts(keeper), two: createDrafts(keeper), keeper };
}

t.test('what is typed in one tab stands in the other, and goes there with the message', async (t) => {
  const { one, two, keeper } = twoTabs();
  one.set(2, 'half a thought');
  await two.load();
  t.equal(two.of(2).value, 'half a thought');
  await keeper.write(two.take(2));
  one.flush();
  await one.load();
  t.equal(one.of(2).value, '');
});

t.test('what is being typed is not overwritten by another tab, and what is not is', async (t) => {
  const { one, two } = twoTabs();
  one.set(2, 'here');
  two.set(2, 'there');
  two.set(3, 'to somebody else');
  await one.load();
  t.equal(one.of(2).value, 'here');
  t.equal(one.of(3).value, 'to somebody else');
  one.flush();
  await one.load();
  t.equal(one.of(2).value, 'there', 'the last one typed stays');
});
