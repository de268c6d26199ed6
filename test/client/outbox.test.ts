import t from 'tap';
import { createOutbox } from '../../static/app/outbox.js';
import type { Keeper, Outgoing, Stores } from '../../static/app/records.js';

/** A store that outlives its outbox, as IndexedDB outlives a page. */
function memory() {
  const kept = new Map<string, Outgoing>();
  const keeper: Keeper = {
    all: async <K extends keyof Stores>(name: K): Promise<Stores[K][]> =>
      JSON.parse(JSON.stringify(name === 'outbox' ? [...kept.values()] : [])),
    write: async (...changes) => {
      for (const change of changes) {
        if ('remove' in change) kept.delete(String(change.remove));
        else if (change.store === 'outbox') kept.set(change.put.id, change.put);
      }
    },
    pending: () => false,
  };
  return { kept, keeper };
}

function setUp(store = memory()) {
  const sent: Outgoing[] = [];
  const line = { up: true };
  const outbox = createOutbox({
    local: store.keeper,
    send: (message) => {
      if (line.up) sent.push(message);
      return line.up;
    },
    overdue: () => {},
    random: () => 0,
  });
  return { outbox, sent, line, store, texts: () => sent.map(({ content }) => content) };
}

t.test('nothing goes before the line is synced; then one after the other', async (t) => {
  const { outbox, sent, texts } = setUp();
  for (const text of ['a', 'b', 'c']) outbox.add(2, text);
  t.same(texts(), []);
  outbox.opened();
  t.same(texts(), ['a'], 'one at a time in a conversation');
  outbox.add(3, 'elsewhere');
  t.same(texts(), ['a', 'elsewhere'], 'another conversation does not wait');
  for (const text of ['a', 'b', 'c']) {
    const found = sent.find(({ content }) => content === text);
    if (found) outbox.sent(found.id);
  }
  t.same(texts(), ['a', 'elsewhere', 'b', 'c']);
  outbox.closed();
});

t.test('after a broken line the same ids go again, in the same order', async (t) => {
  const { outbox, sent, texts } = setUp();
  outbox.opened();
  outbox.add(2, 'a');
  outbox.add(2, 'b');
  outbox.closed();
  outbox.opened();
  t.same(texts(), ['a', 'a']);
  t.equal(sent[0]?.id, sent[1]?.id);
  outbox.closed();
});

t.test('what was typed survives the page, and what was stored does not come back', async (t) => {
  const first = setUp();
  first.outbox.opened();
  for (const text of ['a', 'b', 'c']) first.outbox.add(2, text);
  first.outbox.sent(first.sent[0]?.id ?? '');
  first.outbox.closed();
  const second = setUp(first.store);
  await second.outbox.load();
  t.same(
    second.outbox.items.value.map(({ content }) => content),
    ['b', 'c'],
  );
  second.outbox.add(2, 'd');
  second.outbox.opened();
  t.same(second.texts(), ['b']);
  second.outbox.closed();
});

t.test('a message that was typed while the store was read is there once', async (t) => {
  const { outbox } = setUp();
  const loading = outbox.load();
  outbox.add(2, 'early');
  await loading;
  t.equal(outbox.items.value.length, 1);
});

t.test('what another tab has sent meanwhile is not sent again', async (t) => {
  const { outbox, store } = setUp();
  outbox.add(2, 'a');
  outbox.add(2, 'b');
  const [first] = store.kept.keys();
  store.kept.delete(first ?? '');
  await outbox.reload();
  t.same(
    outbox.items.value.map(({ content }) => content),
    ['b'],
  );
});

t.test('a refusal for good is kept with its reason and lets the next one pass', async (t) => {
  const { outbox, sent, texts, store } = setUp();
  outbox.opened();
  outbox.add(2, 'bad');
  outbox.add(2, 'good');
  const id = sent[0]?.id ?? '';
  outbox.refused(id, 'content_invalid', false);
  t.same(texts(), ['bad', 'good']);
  t.equal(store.kept.get(id)?.error, 'content_invalid');
  outbox.sent(sent[1]?.id ?? '');
  outbox.retry(id);
  t.same(texts(), ['bad', 'good', 'bad']);
  outbox.discard(id);
  t.equal(store.kept.has(id), false);
  outbox.closed();
});

t.test('a refusal for now is tried again, before anything behind it, and is said meanwhile', async (t) => {
  const { outbox, sent, texts } = setUp();
  outbox.opened();
  outbox.add(2, 'a');
  outbox.add(2, 'b');
  const id = sent[0]?.id ?? '';
  outbox.refused(id, 'unavailable', true);
  t.equal(outbox.troubled.value, true);
  t.same(texts(), ['a'], 'nothing overtakes it');
  await new Promise<void>((resolve) => {
    const wait = () => (sent.length > 1 ? resolve() : setTimeout(wait, 5));
    wait();
  });
  t.same(texts(), ['a', 'a']);
  outbox.sent(id);
  t.equal(outbox.troubled.value, false);
  t.same(texts(), ['a', 'a', 'b']);
  outbox.closed();
});
