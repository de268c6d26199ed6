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

t.test('what is edited is kept beside what is written newly, and ends in all tabs', async (t) => {
  const { one, two, keeper } = twoTabs();
  one.set(2, 'newly');
  one.edit(2, { seq: null, of: 'a', base: 0 }, 'said');
  one.set(2, 'said better');
  one.flush();
  t.equal(one.of(2).value, 'newly');
  await two.load();
  t.match(two.edits(2).value, { of: 'a', text: { value: 'said better' } });
  const editing = two.edits(2).value;
  one.set(2, 'said best');
  one.flush();
  await two.load();
  t.equal(two.edits(2).value, editing, 'it is the same edit: whoever looks at it keeps their place');
  t.equal(editing?.text.value, 'said best');
  two.moveEdits(({ of }) => of === 'a', { seq: 7, of: undefined });
  two.moveEdits(({ seq }, user) => user === 2 && seq === 7, { base: 3 });
  two.flush();
  await one.load();
  t.match(one.edits(2).value, { seq: 7, base: 3, text: { value: 'said best' } });
  await keeper.write(one.takeEdited(2));
  await two.load();
  t.equal(two.edits(2).value, null);
  t.equal(two.of(2).value, 'newly');
});

t.test('of what isn’t there any more the edit goes on as something new', async (t) => {
  const { one, two } = twoTabs();
  one.set(2, 'newly');
  one.edit(2, { seq: 4, base: 0 }, 'an edit');
  one.freeEdits(({ seq }) => seq === 5);
  t.equal(one.edits(2).value?.seq, 4);
  one.freeEdits(({ seq }) => seq !== null);
  one.flush();
  await two.load();
  t.equal(two.edits(2).value, null);
  t.equal(two.of(2).value, 'newly\nan edit');
});
