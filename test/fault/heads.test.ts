import { test } from 'tap';
import { check, failures, untold } from './checker.js';
import type { Change, Diary, Done, Entry, Evidence, PageMessage, Wish } from './diary.js';
import { nameOf } from './diary.js';
import type { Group, Many } from './many.js';

// Diaries by hand: 3 says something in channel 9; 4 is in it, and says what it shows.

const kinds = (kind: Group['kind'] = 'channel'): Many =>
  new Map([[9, { owner: 3, members: [3, 4], history: 'all', kind }]]);

/** Rows of the rules that are broken, and how often. */
function broken(diaries: Diary[], rest: Partial<Evidence> = {}): Record<string, number> {
  const evidence: Evidence = {
    ...{ diaries, many: kinds(), changes: [], away: [], faults: [], until: 100_000 },
    ...rest,
  };
  return Object.fromEntries([...failures(check(evidence))].map(([rule, list]) => [rule, list.length]));
}

const extended = (user: number, ...entries: Entry[]): Diary => ({ user, kind: 'extended', entries });
const begin = (connection: number, at: number, seq = 0): Entry[] => [
  { type: 'connect', connection, at, replica: 'a' },
  { type: 'open', connection, at, port: 1000 + connection },
  { type: 'sync', connection, at, positions: seq === 0 ? [] : [[9, seq]] },
  { type: 'synced', connection, at },
];
const place = (seq: number) => ({ conversation: 9, seq, msgId: 900 + seq });
const text = (n: number) => `3>-9#${n}`;
const said = (n: number, at: number, mentions: number[] = []): Entry[] => [
  { type: 'send', connection: 1, at, to: -9, n, content: text(n), id: `-9-${n}`, mentions },
  { type: 'sent', connection: 1, at: at + 1, id: `-9-${n}`, to: -9, ...place(n) },
];
const chat = (n: number, at: number, connection = 1): Entry => ({
  ...{ type: 'chat', connection, at, from: 3, to: -9, content: text(n) },
  ...place(n),
});
const show = (nth: number, at: number, conversations: number[] = [], connection = 1): Entry => ({
  ...{ type: 'show', connection, at, nth, conversations },
});
const shown = (nth: number, at: number): Entry => ({ type: 'shown', connection: 1, at, nth });
const head = (
  seq: number,
  at: number,
  rest: { stored?: number; connection?: number; mention?: number } = {},
): Entry => ({
  ...{ type: 'head', connection: 1, at, conversation: 9, seq },
  ...rest,
});
const row = (n: number): PageMessage => ({
  ...place(n),
  ...{ from: 3, to: -9, content: text(n), stored: 5000 + n },
});

test('what is not shown', async (t) => {
  const three = extended(3, ...begin(1, 0), ...said(1, 10), ...said(2, 20), ...said(3, 30));
  const history = new Map([[9, [row(1), row(2), row(3)]]]);
  const four = (...entries: Entry[]) =>
    broken([three, extended(4, ...begin(1, 0), ...entries)], { history, shownAll: 90 });
  // Shows nothing from 15 on, and everything in the end.
  const first = [chat(1, 12), show(1, 14), shown(1, 15)];
  const last = [show(2, 90, [9]), shown(2, 91), chat(2, 92), chat(3, 93)];

  t.strictSame(four(...first, head(2, 22, { stored: 5002 }), head(3, 32), ...last), {});
  t.strictSame(four(...first, head(3, 32), ...last), {}, 'not of each');
  t.strictSame(four(...first, head(2, 22), ...last), { heads: 1 }, 'but of how far it goes');
  t.strictSame(four(...first, ...last), { heads: 1 });
  t.match(four(...first, head(3, 32), show(2, 90, [9]), shown(2, 91)), { lost: 2 }, 'what is missing comes');
  t.match(four(...first, head(3, 32), ...last, chat(3, 94)), { doubled: 1 }, 'once');

  const lie = (...heads: Entry[]) => four(...first, ...heads, head(3, 40), ...last);
  t.strictSame(lie(head(4, 39)), { heads: 2 }, 'what is not there');
  t.strictSame(lie(head(3, 29)), { heads: 1 }, 'what is not said yet');
  t.strictSame(lie(head(2, 22, { stored: 5003 })), { heads: 1 }, 'of another time');
  t.strictSame(lie(head(3, 32), head(2, 33)), { heads: 1 }, 'back');
  t.strictSame(four(head(1, 11), chat(1, 12), chat(2, 22), chat(3, 32)), { heads: 1 }, 'nobody asked for it');
  const onNext = [...begin(2, 50, 1), show(2, 51, [], 2), head(2, 52, { connection: 2 })];
  t.match(four(...first, head(3, 40), ...onNext), { heads: 2 }, 'nor back on the next connection');

  t.strictSame(
    four(...first, head(3, 32), chat(2, 33), chat(3, 34)),
    { parked: 2 },
    'and nothing else comes',
  );
  t.strictSame(
    four(show(1, 1), chat(1, 12), shown(1, 35), head(3, 36), show(2, 90, [9]), chat(2, 92), chat(3, 93)),
    {},
    'but what was said before the server knew',
  );
  t.strictSame(
    broken([three, extended(4, ...begin(1, 0), ...first, head(2, 22), chat(2, 23), chat(3, 33))], {
      history,
      many: kinds('group'),
    }),
    { heads: 1 },
    'a small group always comes',
  );
});

test('who is mentioned in what they do not show', async (t) => {
  const history = new Map([[9, [row(1), row(2), row(3)]]]);
  const three = (...entries: Entry[]) =>
    extended(3, ...begin(1, 0), ...said(1, 10, [4]), ...said(2, 20, [4]), ...said(3, 30), ...entries);
  const four = (heads: Entry[], ...entries: Entry[]) => {
    const last = [show(2, 90, [9]), chat(2, 92), chat(3, 93)];
    const fourth = extended(4, ...begin(1, 0), chat(1, 12), show(1, 14), ...heads, ...last);
    return broken([three(...entries), fourth], { history, shownAll: 90 });
  };
  t.strictSame(four([head(2, 22, { mention: 2 }), head(3, 32)]), {}, 'is told where');
  t.strictSame(four([head(3, 32, { mention: 2 })]), {});
  t.strictSame(four([head(2, 22), head(3, 32)]), { heads: 1 }, 'and not only of the end');
  t.strictSame(four([head(3, 32, { mention: 1 })]), { heads: 1 }, 'but of the last');
  t.strictSame(
    four([head(3, 32, { mention: 2 }), head(3, 33, { mention: 3 })]),
    { heads: 1 },
    'nowhere else',
  );
  t.strictSame(four([head(2, 19, { mention: 2 }), head(3, 32)]), { heads: 1 }, 'nor before it is said');
  const wish: Wish = { does: 'edit', content: `${text(2)} edit`, base: 0 };
  const ask: Entry = { type: 'ask', connection: 1, at: 40, id: '-9-c1', conversation: 9, seq: 2, wish };
  const refused: Entry = {
    ...{ type: 'error', connection: 1, at: 41, id: '-9-c1', code: 'conflict', text: '', retryable: false },
  };
  t.strictSame(four([head(3, 42)], ask, refused), {}, 'an edit may have taken it away');
});

test('how far it goes for who was removed', async (t) => {
  const removed: Done = { action: 'removed', users: [4] };
  const change: Change = {
    ...{ conversation: 9, user: 4, does: 'removed', begun: 15, answered: 16 },
  };
  const event: Entry = {
    ...{ type: 'event', connection: 1, at: 16, from: 3, to: -9, content: nameOf(removed, place(2)) },
    ...{ done: removed, ...place(2) },
  };
  const three = extended(3, ...begin(1, 0), ...said(1, 10), event, ...said(3, 20));
  const four = (...heads: Entry[]) =>
    broken([three, extended(4, ...begin(1, 0), show(1, 1), shown(1, 2), ...heads)], {
      ...{ changes: [change], shownAll: 90 },
    });
  const end = [show(2, 90, [9]), chat(1, 91), { ...event, at: 92 }];
  t.strictSame(four(head(1, 11), head(2, 17), ...end), {});
  t.strictSame(four(head(1, 11), head(2, 17), head(3, 21), ...end), { leaked: 1 });
  t.strictSame(four(head(1, 11), ...end), { heads: 1 }, 'the event that they went by is told');
});

test('who is not told yet', async (t) => {
  const three = extended(3, ...begin(1, 0), ...said(1, 10));
  const left = (...entries: Entry[]) => {
    const diaries = [three, extended(4, ...begin(1, 0), show(1, 1), ...entries)];
    const rest = { many: kinds(), changes: [], away: [], faults: [], until: 100 };
    return untold({ diaries, ...rest }).length;
  };
  t.equal(left(), 1);
  t.equal(left(head(1, 12)), 0);
  t.equal(left(show(2, 12, [9])), 0, 'who shows it is given it');
  t.equal(left({ type: 'close', connection: 1, at: 13, code: 1006, own: false }), 0, 'who is gone is not');
});

test('pins, and what is asked over HTTP', async (t) => {
  const key = { conversation: 34, seq: 1, msgId: 3401 };
  const content = '3>4#1';
  const state = (change: number, pinned: boolean) => ({
    ...{ change, content, edited: false, deleted: false, reactions: '', pinned },
  });
  const three = (...entries: Entry[]): Diary =>
    extended(
      3,
      ...begin(1, 0),
      { type: 'send', connection: 1, at: 10, to: 4, n: 1, content, id: '4-1' },
      { type: 'sent', connection: 1, at: 11, to: 4, id: '4-1', ...key },
      ...entries,
    );
  const ask = (nth: number, on: boolean, at: number): Entry => {
    const wish: Wish = { does: 'pin', on };
    return { type: 'ask', connection: 1, at, id: `-34-c${nth}`, conversation: 34, seq: 1, wish };
  };
  const settled = (nth: number, change: number, pinned: boolean, at: number): Entry => ({
    ...{ type: 'settled', connection: 1, at, id: `-34-c${nth}`, ...key, state: state(change, pinned) },
  });
  const changed = (change: number, pinned: boolean, at: number, fromChange = change): Entry => ({
    ...{ type: 'changed', connection: 1, at, ...key, fromChange, state: state(change, pinned) },
  });
  const both = (
    isPinned: boolean,
    last: number,
    asked: Entry[],
    told: Entry[],
    pins = isPinned ? [1] : [],
  ) => {
    const fourth = extended(
      4,
      ...begin(1, 0),
      { type: 'chat', connection: 1, at: 12, from: 3, to: 4, content, ...key },
      ...told,
    );
    const rows: PageMessage[] = [{ ...key, from: 3, to: 4, content, state: state(last, isPinned) }];
    return broken([three(...asked, ...told), fourth], {
      history: new Map([[34, rows]]),
      pins: new Map([[34, pins]]),
    });
  };
  const pin = [ask(1, true, 20), settled(1, 1, true, 21)];
  t.strictSame(both(true, 1, pin, [changed(1, true, 22)]), {});
  t.strictSame(both(true, 1, pin, [changed(1, true, 22)], []), { unkept: 1 }, 'it is listed');
  t.match(both(true, 1, [], [changed(1, true, 22)]), { unwanted: 1 });
  t.match(both(true, 1, [ask(1, true, 20)], [changed(1, true, 22)]), { unanswered: 1 });
  const again = [ask(1, true, 20), ask(1, true, 22), settled(1, 1, true, 23)];
  t.strictSame(both(true, 1, again, [changed(1, true, 22)]), {}, 'an answer was lost');
  t.match(both(false, 1, pin, [changed(1, false, 22)]), { unkept: 1 });
  const unpin = [...pin, ask(2, false, 30), settled(2, 2, false, 31)];
  t.strictSame(both(false, 2, unpin, [changed(1, true, 22), changed(2, false, 32)]), {});
  t.match(both(true, 2, unpin, [changed(2, true, 32, 1)]), { unkept: 1 });
  t.match(both(false, 1, pin, []), { unkept: 1 });
});
