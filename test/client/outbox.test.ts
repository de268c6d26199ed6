import t from 'tap';
import { createOutbox } from '../../static/app/outbox.js';
import type { Alteration, Keeper, Outgoing, Stores } from '../../static/app/records.js';

/** A store that outlives its outbox, as IndexedDB outlives a page; each tab has a keeper of its own. */
function memory() {
  const kept = new Map<string, Outgoing>();
  function open(): Keeper {
    const pending = new Set<string>();
    return {
      all: async <K extends keyof Stores>(name: K): Promise<Stores[K][]> =>
        JSON.parse(JSON.stringify(name === 'outbox' ? [...kept.values()] : [])),
      async write(...changes) {
        const ids = changes.map((change) => String('remove' in change ? change.remove : idOf(change.put)));
        for (const change of changes) {
          if ('remove' in change) kept.delete(String(change.remove));
          else if (change.store === 'outbox') kept.set(change.put.id, change.put);
        }
        for (const id of ids) pending.add(id);
        await written();
        for (const id of ids) pending.delete(id);
      },
      pending: (_store, id) => pending.has(String(id)),
    };
  }
  return { kept, open };
}

const idOf = (record: object): string => ('id' in record ? String(record.id) : '');
const written = () => new Promise<void>((resolve) => setImmediate(resolve));

function setUp(store = memory()) {
  const sent: Outgoing[] = [];
  const line = { up: true };
  const outbox = createOutbox({
    local: store.open(),
    send: (message) => {
      if (line.up) sent.push(message);
      return line.up;
    },
    overdue: () => {},
    random: () => 0,
  });
  const shown = () => outbox.items.value.map(({ content }) => content);
  return { outbox, sent, line, store, shown, texts: () => sent.map(({ content }) => content) };
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
    if (found) outbox.sent(found.id, 1);
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
  first.outbox.sent(first.sent[0]?.id ?? '', 1);
  first.outbox.closed();
  const second = setUp(first.store);
  await second.outbox.load();
  second.outbox.takeOver();
  t.same(second.shown(), ['b', 'c']);
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

/** Two tabs of one browser, both with a line; the first has written two messages, and the second has read them. */
async function twoTabs() {
  const one = setUp();
  const two = setUp(one.store);
  one.outbox.opened();
  two.outbox.opened();
  one.outbox.add(2, 'a');
  one.outbox.add(2, 'b');
  await written();
  await two.outbox.load();
  return { one, two };
}

t.test(
  'what is written in one tab is seen in another, and goes once from where it was written',
  async (t) => {
    const { one, two } = await twoTabs();
    t.same(two.shown(), ['a', 'b']);
    for (const text of ['a', 'b']) {
      const { id = '' } = one.sent.find(({ content }) => content === text) ?? {};
      one.outbox.sent(id, 1);
      one.outbox.placed(id, 1);
    }
    await two.outbox.load();
    t.same(two.shown(), []);
    t.same([one.texts(), two.texts()], [['a', 'b'], []]);
    one.outbox.closed();
    two.outbox.closed();
  },
);

t.test('a tab that is gone leaves what it has not sent to the others, in its order', async (t) => {
  const { one, two } = await twoTabs();
  one.outbox.closed();
  t.same(two.texts(), []);
  two.outbox.takeOver();
  t.same(two.texts(), ['a']);
  two.outbox.sent(two.sent[0]?.id ?? '', 1);
  t.same(two.texts(), ['a', 'b']);
  two.outbox.closed();
});

t.test('what another tab does not send goes from here after a moment', async (t) => {
  const { one, two } = await twoTabs();
  one.outbox.closed();
  await new Promise<void>((resolve) => {
    const wait = () => (two.sent.length > 0 ? resolve() : setTimeout(wait, 20));
    wait();
  });
  t.same(two.texts(), ['a']);
  two.outbox.closed();
});

t.test(
  'what is written behind a message of another tab neither waits for that tab nor overtakes it',
  async (t) => {
    const { one, two } = await twoTabs();
    two.outbox.add(2, 'c');
    t.same(two.texts(), ['a']);
    for (const text of ['a', 'b'])
      two.outbox.sent(two.sent.find(({ content }) => content === text)?.id ?? '', 1);
    t.same(two.texts(), ['a', 'b', 'c']);
    one.outbox.closed();
    two.outbox.closed();
  },
);

t.test('what was refused, tried again or thrown away in one tab is so in the other', async (t) => {
  const { one, two } = await twoTabs();
  const id = one.sent[0]?.id ?? '';
  const errorIn = ({ outbox }: typeof one) => outbox.items.value.find((item) => item.id === id)?.error;
  one.outbox.refused(id, { code: 'content_invalid', retryable: false });
  await two.outbox.load();
  t.equal(errorIn(two), 'content_invalid');
  two.outbox.retry(id);
  await written();
  await one.outbox.load();
  t.equal(errorIn(one), null);
  t.same([one.texts(), two.texts()], [['a', 'b'], ['a']], 'whoever tries it again sends it');
  two.outbox.refused(id, { code: 'content_invalid', retryable: false });
  await written();
  await one.outbox.load();
  t.equal(errorIn(one), 'content_invalid');
  one.outbox.discard(id);
  await two.outbox.load();
  t.same([one.shown(), two.shown()], [['b'], ['b']]);
  one.outbox.closed();
  two.outbox.closed();
});

t.test('what is in the log already is not shown as on its way, though the device still has it', async (t) => {
  const { one, two } = await twoTabs();
  two.outbox.placed(one.sent[0]?.id ?? '', 1);
  const third = setUp(one.store);
  one.store.kept.set('x', { id: 'x', n: 1, to_user_id: 2, content: 'x', created_at: '', error: null });
  third.outbox.placed('x', 1);
  await third.outbox.load();
  t.same([two.shown(), third.shown()], [['b'], ['b']]);
  one.outbox.closed();
  two.outbox.closed();
});

t.test('what is under way here stays until it is answered, though another tab has sent it', async (t) => {
  const { one, two } = await twoTabs();
  two.outbox.takeOver();
  const id = one.sent[0]?.id ?? '';
  one.outbox.sent(id, 1);
  one.outbox.placed(id, 1);
  await two.outbox.load();
  t.equal(two.outbox.sent(id, 1)?.content, 'a', 'the answer has its message');
  one.outbox.closed();
  two.outbox.closed();
});

t.test('a refusal for good is kept with its reason and lets the next one pass', async (t) => {
  const { outbox, sent, texts, store } = setUp();
  outbox.opened();
  outbox.add(2, 'bad');
  outbox.add(2, 'good');
  const id = sent[0]?.id ?? '';
  outbox.refused(id, { code: 'content_invalid', retryable: false });
  t.same(texts(), ['bad', 'good']);
  t.equal(store.kept.get(id)?.error, 'content_invalid');
  outbox.sent(sent[1]?.id ?? '', 1);
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
  outbox.refused(id, { code: 'unavailable', retryable: true });
  t.equal(outbox.troubled.value, true);
  t.same(texts(), ['a'], 'nothing overtakes it');
  await new Promise<void>((resolve) => {
    const wait = () => (sent.length > 1 ? resolve() : setTimeout(wait, 5));
    wait();
  });
  t.same(texts(), ['a', 'a']);
  outbox.sent(id, 1);
  t.equal(outbox.troubled.value, false);
  t.same(texts(), ['a', 'a', 'b']);
  outbox.closed();
});

t.test(
  'where too much was sent it waits as long as told, says until when, and goes on in order',
  async (t) => {
    const { outbox, sent, texts } = setUp();
    outbox.opened();
    outbox.add(2, 'a');
    outbox.add(2, 'b');
    outbox.add(3, 'elsewhere');
    const id = sent[0]?.id ?? '';
    const before = Date.now();
    outbox.refused(id, { code: 'too_many_requests', retryable: true, retry_after_ms: 60_000 });
    t.equal(outbox.troubled.value, false, 'the server can store');
    t.ok((outbox.slowed.value ?? 0) >= before + 60_000);
    outbox.add(4, 'another');
    t.same(texts(), ['a', 'elsewhere'], 'nothing goes meanwhile');
    outbox.refused(sent[1]?.id ?? '', { code: 'too_many_requests', retryable: true, retry_after_ms: 1 });
    await new Promise<void>((resolve) => {
      const wait = () => (sent.length > 2 ? resolve() : setTimeout(wait, 5));
      wait();
    });
    t.same(texts(), ['a', 'elsewhere', 'a', 'elsewhere', 'another'], 'the last word about it counts');
    for (const text of ['a', 'elsewhere', 'another'])
      outbox.sent(sent.find(({ content }) => content === text)?.id ?? '', 1);
    t.ok(outbox.slowed.value !== null, 'as long as something waits');
    outbox.sent(sent.find(({ content }) => content === 'b')?.id ?? '', 1);
    t.equal(outbox.slowed.value, null);
    outbox.closed();
  },
);

/** Waits until so much was sent. */
const waitFor = (sent: readonly Outgoing[], count: number) =>
  new Promise<void>((resolve) => {
    const wait = () => (sent.length >= count ? resolve() : setTimeout(wait, 5));
    wait();
  });

const edit = (seq: number | null, base: number, of?: string): Alteration => ({ what: 'edit', seq, base, of });

t.test(
  'a change goes behind what was written before it, and waits for the place of its message',
  async (t) => {
    const { outbox, sent, line } = setUp();
    line.up = false;
    outbox.opened();
    outbox.synced();
    outbox.add(2, 'a');
    const { id = '' } = outbox.items.value[0] ?? {};
    outbox.alter(2, edit(null, 0, id), 'b');
    outbox.alter(2, { what: 'delete', seq: 7 });
    outbox.alter(3, { what: 'react', seq: 1, emoji: '👍', on: true });
    t.same(
      outbox.said.value.map(({ content }) => content),
      ['a'],
    );
    line.up = true;
    outbox.closed();
    outbox.opened();
    outbox.synced();
    t.same(
      sent.map(({ alters, content }) => alters?.what ?? content),
      ['a', 'react'],
    );
    outbox.sent(id, 12);
    t.match(sent.at(-1), { content: 'b', alters: { what: 'edit', seq: 12 } });
    outbox.settled(sent.at(-1)?.id ?? '', 1);
    t.match(sent.at(-1)?.alters, { what: 'delete', seq: 7 });
    outbox.closed();
  },
);

t.test('an edit on top of an edit goes on from what that made; one that was refused asks', async (t) => {
  const { outbox, sent } = setUp();
  outbox.opened();
  outbox.synced();
  outbox.alter(2, edit(5, 3), 'one');
  outbox.alter(2, edit(5, 3), 'two');
  outbox.settled(sent[0]?.id ?? '', 9);
  t.match(sent[1], { content: 'two', alters: { base: 9 } });
  const { id = '' } = sent[1] ?? {};
  outbox.refused(id, { code: 'conflict', retryable: false });
  t.equal(outbox.items.value[0]?.error, 'conflict');
  outbox.retry(id, 11);
  t.match(sent[2], { content: 'two', error: null, alters: { base: 11 } });
  outbox.settled(id, 12);
  t.same(outbox.items.value, []);
  outbox.closed();
});

t.test('a change outlives the page and the line, and goes once from one of two tabs', async (t) => {
  const one = setUp();
  one.outbox.alter(2, { what: 'react', seq: 4, emoji: '🎉', on: true });
  await written();
  const two = setUp(one.store);
  await two.outbox.load();
  two.outbox.opened();
  two.outbox.synced();
  t.same(two.sent, []);
  two.outbox.takeOver();
  await waitFor(two.sent, 1);
  t.equal(two.sent[0]?.id, one.outbox.items.value[0]?.id);
  two.outbox.settled(two.sent[0]?.id ?? '', 1);
  await written();
  await one.outbox.load();
  one.outbox.opened();
  one.outbox.synced();
  t.same([one.sent, one.outbox.items.value], [[], []]);
  one.outbox.closed();
  two.outbox.closed();
});

t.test('what is thrown away takes along what was to be done with it', async (t) => {
  const { outbox, sent, store } = setUp();
  outbox.opened();
  outbox.synced();
  outbox.add(2, 'bad');
  const { id = '' } = sent[0] ?? {};
  outbox.alter(2, edit(null, 0, id), 'worse');
  outbox.add(2, 'good');
  outbox.refused(id, { code: 'content_invalid', retryable: false });
  t.equal(sent.at(-1)?.content, 'good', 'what hangs on it holds nothing up');
  outbox.discard(id);
  await written();
  t.equal(outbox.items.value.length, 1);
  t.equal(store.kept.size, 1);
  outbox.closed();
});

t.test('no change goes to another history than the one that it was made in', async (t) => {
  const { outbox, sent, texts, store } = setUp();
  outbox.alter(2, { what: 'delete', seq: 7 });
  outbox.add(2, 'behind it');
  outbox.add(3, 'elsewhere');
  outbox.opened();
  t.same(texts(), ['elsewhere'], 'it waits until that is known');
  outbox.forget(2);
  t.same(texts(), ['elsewhere', 'behind it']);
  outbox.synced();
  await written();
  t.equal(
    sent.some(({ alters }) => alters),
    false,
  );
  t.equal(store.kept.size, 2);
  outbox.closed();
});

t.test(
  'an edit in progress hears where its message is stored, and what another edit from here has made of it',
  async (t) => {
    const heard: unknown[] = [];
    const sent: Outgoing[] = [];
    const outbox = createOutbox({
      local: memory().open(),
      send: (item) => sent.push(item) > 0,
      overdue: () => {},
      onStored: (id, seq) => heard.push([id, seq]),
      onEdited: (to, seq, change) => heard.push([to, seq, change]),
    });
    outbox.opened();
    outbox.synced();
    outbox.add(2, 'said');
    const id = sent[0]?.id ?? '';
    outbox.sent(id, 5);
    outbox.alter(2, { seq: 5, what: 'edit', base: 0 }, 'edited');
    outbox.settled(sent[1]?.id ?? '', 8);
    outbox.alter(2, { seq: 5, what: 'react', emoji: '👍', on: true });
    outbox.settled(sent[2]?.id ?? '', 9);
    t.same(heard, [
      [id, 5],
      [2, 5, 8],
    ]);
  },
);
