import { test } from 'tap';
import { check, failures, outstanding } from './checker.js';
import {
  type Away,
  type Change,
  type Diary,
  type Done,
  type Entry,
  type Evidence,
  type Fault,
  nameOf,
  type PageMessage,
  type State,
  type Wish,
} from './diary.js';
import type { Group, Many } from './many.js';

// Diaries by hand: 1 and 2 are plain, 3 and 4 extended; 1>2 is conversation 12, and so on.

function run(
  diaries: Diary[],
  rest: { away?: Away[]; faults?: Fault[]; until?: number; many?: Many; changes?: Change[] } = {},
): Evidence {
  return { diaries, many: new Map(), changes: [], away: [], faults: [], until: 100_000, ...rest };
}
const plain = (user: number, ...entries: Entry[]): Diary => ({ user, kind: 'plain', entries });
const extended = (user: number, ...entries: Entry[]): Diary => ({ user, kind: 'extended', entries });

/** Each connection's beginning: attempt and opening. */
function begin(connection: number, at = 0, replica = 'a'): Entry[] {
  return [
    { type: 'connect', connection, at, replica },
    { type: 'open', connection, at, port: 1000 + connection },
    { type: 'answered', connection, at },
  ];
}
const end = (connection: number, at: number, code = 1006): Entry => ({
  type: 'close',
  connection,
  at,
  code,
  own: false,
});
const name = (from: number, to: number, n: number) => `${from}>${to}#${n}`;
function say(from: number, to: number, n: number, at: number, connection = 1): Entry {
  const id = from > 2 ? { id: `${to}-${n}` } : {};
  return { type: 'send', connection, at, to, n, content: name(from, to, n), ...id };
}
const live = (from: number, to: number, n: number, at: number, connection = 1): Entry => ({
  type: 'live',
  connection,
  at,
  from,
  to,
  content: name(from, to, n),
});
const row = (from: number, to: number, n: number, at: number, connection = 1, msgId = n): Entry => ({
  type: 'row',
  connection,
  at,
  from,
  to,
  content: name(from, to, n),
  msgId,
});
const talk = (a: number, b: number) => Math.min(a, b) * 10 + Math.max(a, b);
function chat(from: number, to: number, n: number, seq: number, at: number, connection = 1): Entry {
  const place = { conversation: talk(from, to), seq, msgId: talk(from, to) * 100 + seq };
  return { type: 'chat', connection, at, from, to, content: name(from, to, n), ...place };
}
const sent = (from: number, to: number, n: number, seq: number, at: number, connection = 1): Entry => ({
  type: 'sent',
  connection,
  at,
  id: `${to}-${n}`,
  conversation: talk(from, to),
  to,
  msgId: talk(from, to) * 100 + seq,
  seq,
});
const sync = (connection: number, at: number, ...positions: [number, number][]): Entry => ({
  type: 'sync',
  connection,
  at,
  positions,
});

/** The rules that a run breaks, and how often. */
function broken(evidence: Evidence): Record<string, number> {
  return Object.fromEntries([...failures(check(evidence))].map(([rule, list]) => [rule, list.length]));
}

test('a run in which all went well', async (t) => {
  const evidence = run([
    plain(1, ...begin(1), say(1, 2, 1, 10), say(1, 3, 1, 11), say(1, 2, 2, 12)),
    plain(2, ...begin(1), live(1, 2, 1, 20), live(1, 2, 2, 21), live(3, 2, 1, 25)),
    extended(3, ...begin(1), sync(1, 1), chat(1, 3, 1, 1, 20), say(3, 2, 1, 21), sent(3, 2, 1, 1, 22)),
  ]);
  t.strictSame(broken(evidence), {});
  t.match(check(evidence), { messages: 4, owed: 4, arrived: 4, repeated: 0, excused: 0 });
  t.strictSame(outstanding(evidence), []);
});

test('loss', async (t) => {
  const nothing = plain(2, ...begin(1));
  const sender = (...entries: Entry[]) => run([plain(1, ...begin(1), say(1, 2, 1, 10), ...entries), nothing]);
  t.strictSame(broken(sender()), { lost: 1 }, 'a plain sender that stays is owed it');
  t.equal(outstanding(sender()).length, 1);
  t.strictSame(broken(sender(end(1, 1009))), {}, 'not one that leaves within a second');
  t.strictSame(broken(sender(end(1, 1011))), { lost: 1 });
  const opened = begin(1).slice(0, 2);
  const late = (at: number) => {
    const answered: Entry = { type: 'answered', connection: 1, at };
    return run([plain(1, ...opened, say(1, 2, 1, 10), answered, end(1, 2000)), nothing]);
  };
  t.strictSame(broken(late(1001)), {}, 'the second begins when the server has taken the connection in');
  t.strictSame(broken(late(1000)), { lost: 1 });

  const error: Entry = { type: 'error', connection: 1, at: 50, code: '', text: 'try again' };
  t.strictSame(broken(sender(error)), {}, 'an error excuses a message');
  t.equal(check(sender(error)).excused, 1);
  t.strictSame(broken(sender(say(1, 2, 2, 11), error)), { lost: 1 }, 'but not two');
  t.strictSame(broken(sender({ ...error, at: 5 })), { lost: 1 }, 'nor one sent after it');

  const window = (what: Away['what'], name: string) => [{ what, name, from: 0, to: 5000 }];
  const left = [plain(1, ...begin(1), say(1, 2, 1, 10), end(1, 5500)), nothing];
  t.strictSame(broken(run(left)), { lost: 1 });
  t.strictSame(broken(run(left, { away: window('replica', 'a') })), {}, 'its replica stood still');
  t.strictSame(broken(run(left, { away: window('replica', 'b') })), { lost: 1 }, 'another one did');
  t.strictSame(broken(run(left, { away: window('line', '1001') })), {}, 'its line stood still');

  const told = extended(3, ...begin(1), sync(1, 1), say(3, 2, 1, 10), sent(3, 2, 1, 1, 12), end(1, 13));
  t.strictSame(broken(run([told, nothing])), { lost: 1 }, 'sent is owed whatever comes after');
  const untold = extended(3, ...begin(1), sync(1, 1), say(3, 2, 1, 10), end(1, 13));
  t.strictSame(broken(run([untold, nothing])), { unanswered: 1 });
});

test('a double', async (t) => {
  const sender = plain(1, ...begin(1), say(1, 2, 1, 10), say(1, 3, 1, 11));
  const twice = (...entries: Entry[]) =>
    run([
      sender,
      plain(2, ...begin(1), live(1, 2, 1, 20), ...entries),
      extended(3, sync(1, 1), chat(1, 3, 1, 1, 20)),
    ]);
  t.strictSame(broken(twice(live(1, 2, 1, 21))), { doubled: 1 }, 'live twice');
  t.strictSame(broken(twice(row(1, 2, 1, 21))), { doubled: 1 }, 'as a row of the same connection');
  const again = twice(end(1, 30), ...begin(2, 31), row(1, 2, 1, 40, 2));
  t.strictSame(broken(again), {}, 'on a later connection it may come again');
  t.equal(check(again).repeated, 1);
  const late = twice(end(1, 9000), ...begin(2, 9001), row(1, 2, 1, 9002, 2));
  t.strictSame(broken(late), { doubled: 1 }, 'unless the first went on for long enough to confirm it');

  const receiver = (...entries: Entry[]) =>
    run([
      plain(1, ...begin(1), say(1, 3, 1, 10)),
      extended(3, ...begin(1), sync(1, 1), chat(1, 3, 1, 1, 20), ...entries),
    ]);
  t.strictSame(broken(receiver(chat(1, 3, 1, 1, 21))), { doubled: 1 }, 'a number twice');
  t.match(broken(receiver(chat(1, 3, 1, 2, 21))), { doubled: 1, contradictions: 1 }, 'stored twice');
  const second = [end(1, 30), ...begin(2, 31), sync(2, 32, [13, 1]), chat(1, 3, 1, 1, 33, 2)];
  t.strictSame(broken(receiver(...second)), { doubled: 1 }, 'below the position of its sync');
});

test('a swap', async (t) => {
  const sender = plain(
    1,
    ...begin(1),
    say(1, 2, 1, 10),
    say(1, 2, 2, 11),
    say(1, 3, 1, 12),
    say(1, 3, 2, 13),
  );
  const all = (two: Entry[], three: Entry[]) =>
    broken(run([sender, plain(2, ...begin(1), ...two), extended(3, ...begin(1), sync(1, 1), ...three)]));
  const two = [live(1, 2, 1, 20), live(1, 2, 2, 21)];
  const three = [chat(1, 3, 1, 1, 20), chat(1, 3, 2, 2, 21)];
  t.strictSame(all(two, three), {});
  t.strictSame(all([live(1, 2, 2, 20), live(1, 2, 1, 21)], three), { outOfOrder: 1 }, 'live');
  t.strictSame(all([row(1, 2, 2, 20), row(1, 2, 1, 21)], three), { outOfOrder: 2 }, 'rows');
  t.strictSame(all([live(1, 2, 2, 20), row(1, 2, 1, 21)], three), {}, 'a row and a live frame have no order');
  t.match(all(two, [chat(1, 3, 2, 2, 20), chat(1, 3, 1, 1, 21)]), { outOfOrder: 1, doubled: 1 }, 'extended');
  t.strictSame(
    all(two, [chat(1, 3, 2, 1, 20), chat(1, 3, 1, 2, 21)]),
    { outOfOrder: 1 },
    'stored in the wrong order',
  );
  const early = [sync(1, 1), chat(1, 3, 1, 1, 20), chat(1, 3, 2, 2, 21)];
  const late = run([
    plain(1, ...begin(1), say(1, 3, 1, 12), say(1, 3, 2, 13)),
    extended(3, ...early.slice(1)),
  ]);
  t.strictSame(broken(late), { outOfOrder: 2 }, 'before sync');
});

test('own messages count in seq', async (t) => {
  const other = extended(
    4,
    ...begin(1),
    sync(1, 1),
    say(4, 3, 1, 10),
    sent(4, 3, 1, 1, 15),
    chat(3, 4, 1, 2, 20),
    say(4, 3, 2, 30),
    sent(4, 3, 2, 3, 35),
  );
  const own = (...entries: Entry[]) =>
    broken(run([other, extended(3, ...begin(1), sync(1, 1), say(3, 4, 1, 11), ...entries)]));
  const one = chat(4, 3, 1, 1, 16);
  const mine = sent(3, 4, 1, 2, 17);
  const three = chat(4, 3, 2, 3, 36);
  t.strictSame(own(one, mine, three), {});
  t.strictSame(own(mine, one, three), {}, 'told ahead of its turn');
  const back = { ...chat(3, 4, 1, 2, 18), id: '4-1' };
  t.strictSame(own(mine, one, back, three), {}, 'or coming in its turn');
  t.match(own(one, mine, back, three), { doubled: 1 }, 'but not both');
  t.match(own(one, three, mine), { outOfOrder: 1 }, 'nor left out');
  t.match(own(one, sent(3, 4, 1, 5, 17), mine, three), { contradictions: 2 }, 'one id has one place');
});

test('an invention', async (t) => {
  const two = (...entries: Entry[]) => broken(run([plain(1), plain(2, ...begin(1), ...entries)]));
  t.strictSame(two(live(1, 2, 9, 20)), { unsent: 1 });
  t.strictSame(two(row(1, 2, 9, 20)), { unsent: 1 });
  const sender = plain(1, ...begin(1), say(1, 2, 1, 10), end(1, 11));
  t.strictSame(
    broken(run([sender, plain(2), extended(3, sync(1, 1), chat(1, 2, 1, 1, 12))])),
    { unsent: 1 },
    'of somebody else',
  );
});

test('what the protocol does not have', async (t) => {
  const one = (...entries: Entry[]) => broken(run([plain(1, ...begin(1), ...entries)]));
  t.strictSame(one({ type: 'odd', connection: 1, at: 5, text: 'a frame of type sent' }), { odd: 1 });
  const text = 'target user not found';
  t.strictSame(one({ type: 'error', connection: 1, at: 5, code: '', text }), { odd: 1 });
  t.strictSame(one(end(1, 9, 4002)), { odd: 1 }, 'replaced by nobody');
  t.strictSame(one(...begin(2, 5), end(1, 9, 4002)), {}, 'replaced by the next');
  const tried = (connection: number, at: number): Entry => ({
    type: 'connect',
    connection,
    at,
    replica: 'a',
  });
  const opened = (connection: number, at: number): Entry => ({ type: 'open', connection, at, port: 1 });
  const early = [tried(2, 5), tried(3, 6), opened(3, 8)];
  t.strictSame(one(...early, opened(2, 9), end(3, 10, 4002)), {}, 'replaced by one that was tried at once');
  t.strictSame(
    one(tried(2, 5), opened(2, 6), tried(3, 7), opened(3, 8), end(3, 10, 4002)),
    { odd: 1 },
    'replaced by one from before',
  );
});

test('a receipt for what has not come', async (t) => {
  const receipt = (delivered: number, at: number, connection = 1): Entry => ({
    ...{ type: 'receipt', connection, at, conversation: 13, user: 1, delivered, read: 0 },
  });
  const sender = (...entries: Entry[]) =>
    broken(
      run([
        extended(3, ...begin(1), sync(1, 1), say(3, 1, 1, 10), sent(3, 1, 1, 1, 12), ...entries),
        plain(1, ...begin(1), live(3, 1, 1, 20)),
      ]),
    );
  t.strictSame(sender(receipt(1, 25)), {});
  t.strictSame(sender(receipt(1, 15)), { receipts: 1 }, 'too early');
  t.strictSame(sender(receipt(1, 25), receipt(0, 26)), { receipts: 1 }, 'taken back');
  const again = [...begin(2, 26), sync(2, 27)];
  t.strictSame(
    sender(receipt(1, 25), ...again, receipt(0, 28, 2)),
    { receipts: 1 },
    'by the next connection',
  );
  t.strictSame(sender(...again, receipt(1, 28), receipt(0, 29, 2)), {}, 'two lines, read late');
  t.strictSame(sender(...again, receipt(1, 28, 2), receipt(0, 29)), {}, 'and the other way round');
});

test('waits go to the fault that was there', async (t) => {
  const faults = [
    { kind: 'cut', from: 5, to: 10, users: [2] },
    { kind: 'kill', from: 2000, to: 3000 },
    { kind: 'pause', from: 6000, to: 7000, users: [9] },
  ];
  const evidence = run(
    [
      plain(1, ...begin(1), say(1, 2, 1, 10), say(1, 2, 2, 2100), say(1, 2, 3, 6000), say(1, 2, 4, 8000)),
      plain(
        2,
        ...begin(1),
        live(1, 2, 1, 20),
        end(1, 2050),
        ...begin(2, 3300),
        row(1, 2, 2, 3500, 2),
        live(1, 2, 3, 6003, 2),
        live(1, 2, 4, 8900, 2),
      ),
    ],
    { faults },
  );
  const { lateness, silence, catchUp } = check(evidence).waits;
  t.strictSame(Object.fromEntries(lateness), {
    cut: { alone: 10, among: 0 },
    kill: { alone: 1400, among: 0 },
    none: { alone: 900, among: 0 },
  });
  t.equal(silence.get('kill')?.alone, 1400, 'nothing came though something waited');
  t.equal(catchUp.get('kill')?.alone, 200);
});

test('what was refused as not stored is nowhere', async (t) => {
  const refused = (n: number, at: number, code = 'unavailable'): Entry => ({
    ...{ type: 'error', connection: 1, at, id: `4-${n}`, code, text: 'try again', retryable: true },
  });
  const gaveUp = (n: number, at: number): Entry => ({ type: 'gave-up', connection: 1, at, id: `4-${n}` });
  const talker = (...entries: Entry[]) => extended(3, ...begin(1), sync(1, 1), say(3, 4, 1, 10), ...entries);
  const other = (...entries: Entry[]) => extended(4, ...begin(1), sync(1, 1), ...entries);
  const left = [talker(refused(1, 12), gaveUp(1, 12)), other()];
  t.strictSame(broken(run(left)), {}, 'and its sender may leave it at that');
  t.equal(check(run(left)).givenUp, 1);
  t.strictSame(outstanding(run(left)), []);
  t.strictSame(broken(run([talker(refused(1, 12)), other()])), { unanswered: 1 }, 'or must go on');

  const here = { conversation: 34, seq: 1, msgId: 3401, from: 3, to: 4, content: name(3, 4, 1) };
  const stored = { ...run(left), history: new Map([[34, [here]]]) };
  t.strictSame(broken(stored), { outcomes: 1 }, 'it is in the log');
  const came = [talker(refused(1, 12), gaveUp(1, 12)), other(chat(3, 4, 1, 1, 20))];
  t.strictSame(broken(run(came)), { outcomes: 1 }, 'it came');
  const both = [talker(refused(1, 12), sent(3, 4, 1, 1, 13)), other(chat(3, 4, 1, 1, 20))];
  t.strictSame(broken(run(both)), { outcomes: 1 }, 'both were said of one attempt');
  const again = [talker(refused(1, 12), say(3, 4, 1, 20), sent(3, 4, 1, 1, 23)), other(chat(3, 4, 1, 1, 24))];
  t.strictSame(broken(run(again)), {}, 'it was sent again');
  const doubt = [
    talker(refused(1, 12, 'outcome_unknown'), sent(3, 4, 1, 1, 13)),
    other(chat(3, 4, 1, 1, 20)),
  ];
  t.strictSame(broken(run(doubt)), {}, 'nobody said that it is not stored');
});

test('one device without what another one has', async (t) => {
  const other = extended(
    4,
    ...begin(1),
    sync(1, 1),
    say(4, 3, 1, 10),
    sent(4, 3, 1, 1, 15),
    chat(3, 4, 1, 2, 20),
  );
  const first = extended(
    3,
    ...begin(1),
    sync(1, 1),
    chat(4, 3, 1, 1, 16),
    say(3, 4, 1, 18),
    sent(3, 4, 1, 2, 19),
  );
  const second = (...entries: Entry[]) =>
    broken(run([other, first, extended(3, ...begin(9), sync(9, 1), ...entries)]));
  const come = chat(4, 3, 1, 1, 17, 9);
  const own = { ...chat(3, 4, 1, 2, 20, 9), id: '4-1' };
  t.strictSame(second(come, own), {});
  t.strictSame(second(come), { lost: 1 }, 'its own message from there');
  t.strictSame(second(), { lost: 2 }, 'nothing at all');
  const third = (at: number, ...entries: Entry[]) =>
    broken(run([other, first, plain(3, ...begin(9, at), ...entries)]));
  t.strictSame(third(5, live(4, 3, 1, 17, 9)), {}, 'a plain one has what others wrote');
  t.strictSame(third(5), { lost: 1 });
  t.strictSame(third(11), {}, 'but not what was there before it');
});

test('a conversation of more than two', async (t) => {
  const many: Many = new Map([[9, { owner: 3, members: [1, 3, 4, 5], history: 'all', kind: 'group' }]]);
  const at = (seq: number) => ({ conversation: 9, seq, msgId: 900 + seq });
  const words = (from: number, n: number) => ({ to: -9, content: name(from, -9, n) });
  const said = (from: number, n: number, when: number): Entry => ({
    ...{ type: 'send', connection: 1, at: when, n, id: `-9-${n}`, ...words(from, n) },
  });
  const stored = (n: number, seq: number, when: number): Entry => ({
    ...{ type: 'sent', connection: 1, at: when, id: `-9-${n}`, to: -9, ...at(seq) },
  });
  const came = (from: number, n: number, seq: number, when: number): Entry => ({
    ...{ type: 'chat', connection: 1, at: when, from, ...words(from, n), ...at(seq) },
  });
  const far = (user: number, delivered: number, when: number): Entry => ({
    ...{ type: 'receipt', connection: 1, at: when, conversation: 9, user, delivered, read: 0 },
  });
  const three = (...entries: Entry[]) =>
    extended(3, ...begin(1), sync(1, 1), said(3, 1, 10), stored(1, 1, 12), ...entries);
  const four = (...entries: Entry[]) =>
    extended(4, ...begin(1), sync(1, 1), came(3, 1, 1, 20), said(4, 1, 30), stored(1, 2, 32), ...entries);
  const five = (...entries: Entry[]) => extended(5, ...begin(1), sync(1, 1), ...entries);
  const all = (...diaries: Diary[]) => run([plain(1, ...begin(1)), ...diaries], { many });
  const good = [three(came(4, 1, 2, 40)), four(), five(came(3, 1, 1, 20), came(4, 1, 2, 41))];
  t.strictSame(broken(all(...good)), {}, 'a plain member is owed nothing');
  t.match(check(all(...good)), { messages: 2, owed: 2, arrived: 2 });
  const [first, second] = good as [Diary, Diary];
  const leak: Entry = { type: 'live', connection: 1, at: 20, from: 3, ...words(3, 1) };
  t.strictSame(broken(all(first, second, five(came(3, 1, 1, 20)))), { lost: 1 }, 'one member lacks one');
  t.equal(outstanding(all(first, second, five(came(3, 1, 1, 20)))).length, 1);
  t.match(broken(all(first, second, five(came(4, 1, 2, 41)))), { lost: 1, outOfOrder: 1 });
  t.strictSame(
    broken(run([plain(1, ...begin(1), leak), ...good], { many })),
    { unsent: 1 },
    'it came to a plain member',
  );
  const eve = extended(6, ...begin(1), sync(1, 1), came(3, 1, 1, 20));
  t.strictSame(broken(all(...good, eve)), { unsent: 1 }, 'or to who is no member');
  const told = (when: number) => all(three(came(4, 1, 2, 40), far(5, 2, when)), ...good.slice(1));
  t.strictSame(broken(told(42)), {});
  t.strictSame(broken(told(40)), { receipts: 1 }, 'a receipt of one of the others, too early');
});

test('a group whose members go and come back', async (t) => {
  const at = (seq: number) => ({ conversation: 9, seq, msgId: 900 + seq });
  const words = (n: number) => ({ from: 3, to: -9, content: name(3, -9, n) });
  /** The third message is the one of which they are not to hear. */
  const came = (n: number, seq: number, when: number): Entry => ({
    ...{ type: 'chat', connection: 1, at: when, ...words(n), ...at(seq) },
  });
  const said = (n: number, seq: number, when: number): Entry[] => [
    { type: 'send', connection: 1, at: when - 1, n, id: `-9-${n}`, to: -9, content: name(3, -9, n) },
    { type: 'sent', connection: 1, at: when, id: `-9-${n}`, to: -9, ...at(seq) },
  ];
  const event = (action: 'removed' | 'added', seq: number, when: number): Entry => {
    const done: Done = { action, users: [4] };
    const content = nameOf(done, { conversation: 9, seq });
    return { type: 'event', connection: 1, at: when, from: 3, to: -9, content, done, ...at(seq) };
  };
  const joined = (seq: number, when: number): Entry => ({
    ...{ type: 'joined', connection: 1, at: when, conversation: 9, seq, hidden: true },
  });
  const away = (from: number, to?: number): Change[] => [
    { conversation: 9, user: 4, does: 'removed', begun: from, answered: from + 2 },
    ...(to === undefined
      ? []
      : [{ conversation: 9, user: 4, does: 'added' as const, begun: to, answered: to + 2 }]),
  ];
  const owner = extended(
    ...([3, ...begin(1), sync(1, 1), ...said(1, 1, 10), event('removed', 2, 22)] as const),
    ...[...said(2, 3, 30), event('added', 4, 42), ...said(3, 5, 50)],
  );
  const group = (history: Group['history']): Many =>
    new Map([[9, { owner: 3, members: [3, 4], history, kind: 'group' }]]);
  const four = (history: Group['history'], ...entries: Entry[]) =>
    broken(
      run(
        [owner, extended(4, ...begin(1), sync(1, 1), came(1, 1, 11), event('removed', 2, 23), ...entries)],
        { many: group(history), changes: away(20, 40) },
      ),
    );
  const rest = [event('added', 4, 43), came(3, 5, 51)];
  t.strictSame(four('all', came(2, 3, 43), ...rest), {}, 'who returns hears of all');
  t.strictSame(four('all', came(2, 3, 31), ...rest), { leaked: 1 }, 'but not before that');
  t.match(four('all', joined(3, 43), ...rest), { lost: 1 }, 'nor only of a part');
  t.strictSame(four('joining', joined(3, 43), ...rest), {}, 'or of what comes from then on');
  t.strictSame(four('joining', came(2, 3, 43), ...rest), { leaked: 1 }, 'and of nothing else');
  t.strictSame(four('joining', ...rest), { outOfOrder: 1 }, 'a hole is said');
  t.match(four('joining', joined(3, 43), came(3, 5, 51)), { lost: 1, outOfOrder: 1 }, 'an event is owed');

  const gone = (...entries: Entry[]) => {
    const first = extended(3, ...begin(1), sync(1, 1), event('removed', 1, 22), ...said(1, 2, 30));
    const second = extended(4, ...begin(1), sync(1, 1), event('removed', 1, 23), ...entries);
    return run([first, second], { many: group('all'), changes: away(20) });
  };
  t.strictSame(broken(gone()), {}, 'who is out is owed nothing');
  t.strictSame(broken(gone(came(1, 2, 31))), { leaked: 1 });
  const far: Entry = {
    ...{ type: 'receipt', connection: 1, at: 31, conversation: 9, user: 3, delivered: 2, read: 0 },
  };
  t.strictSame(broken(gone(far)), { leaked: 1 }, 'nor told how far others are');
  const send: Entry = {
    type: 'send',
    connection: 1,
    at: 25,
    n: 1,
    id: '-9-1',
    to: -9,
    content: name(4, -9, 1),
  };
  const refusal = (when: number): Entry => ({
    ...{ type: 'error', connection: 1, at: when, id: '-9-1', code: 'conversation_not_found', text: '' },
    retryable: false,
  });
  t.strictSame(broken(gone(send, refusal(26))), {}, 'and is refused');
  const early: Entry = { ...send, at: 5 };
  t.strictSame(broken(gone(early, refusal(8))), { odd: 1 }, 'not before they are');

  const removed: Done = { action: 'removed', users: [4] };
  const deed = { ...at(1), from: 3, to: -9, content: nameOf(removed, at(1)), done: removed };
  const other = { ...at(2), ...words(1) };
  const last = { ...at(3), from: 4, to: -9, content: name(4, -9, 1) };
  const logged = (rows: PageMessage[], changes = away(20)) =>
    broken({ ...gone(send, refusal(26)), changes, history: new Map([[9, rows]]) });
  t.strictSame(logged([deed, other]), {});
  t.match(logged([deed, other, last]), { trespasses: 1, outcomes: 1 }, 'something of theirs is stored after');
  t.match(logged([deed, other], []), { trespasses: 1 }, 'what nobody asked for is done');
  t.match(
    logged([
      { ...other, ...at(1) },
      { ...deed, ...at(2) },
    ]),
    { trespasses: 1 },
    'what was said after is before',
  );
  const view = (...seqs: number[]) =>
    broken({
      ...gone(),
      history: new Map([[9, [deed, other]]]),
      views: [{ conversation: 9, user: 4, seqs, last: seqs.at(-1) ?? 0 }],
    });
  t.strictSame(view(1), {}, 'what they find over HTTP');
  t.strictSame(view(1, 2), { leaked: 2 });
});

test('messages that change', async (t) => {
  // 3 says something to 4, and changes it.
  const key = { conversation: 34, seq: 1, msgId: 3401 };
  const text = name(3, 4, 1);
  const state = (change: number, rest: Partial<State> = {}): State => ({
    ...{ change, content: text, edited: false, deleted: false, reactions: '', pinned: false },
    ...rest,
  });
  const edited = (change: number, content: string) => state(change, { content, edited: true });
  const deleted = (change: number) => state(change, { content: '', deleted: true });
  const ask = (nth: number, wish: Wish, at: number): Entry => ({
    ...{ type: 'ask', connection: 1, at, id: `-34-c${nth}`, conversation: 34, seq: 1, wish },
  });
  const changed = (now: State, at: number, nth?: number, fromChange?: number): Entry => ({
    ...{ type: 'changed', connection: 1, at, ...key, state: now },
    ...(nth !== undefined && { id: `-34-c${nth}` }),
    ...(fromChange !== undefined && { fromChange }),
  });
  const edit = (base: number, n: number): Wish => ({ does: 'edit', content: `${text} edit-${n}`, base });
  const one = edited(1, `${text} edit-1`);
  const two = edited(2, `${text} edit-2`);
  const thumb = (on: boolean): Wish => ({ does: 'react', emoji: '👍', on });
  const row = (now: State): PageMessage => {
    const { change, content } = now;
    return { ...key, from: 3, to: 4, content, ...(change > 0 && { state: now }) };
  };
  const both = (end: State, third: Entry[], fourth: Entry[], rest: Diary[] = []) =>
    broken({
      ...run([
        extended(3, ...begin(1), sync(1, 1), say(3, 4, 1, 10), sent(3, 4, 1, 1, 11), ...third),
        extended(4, ...begin(1), sync(1, 1), chat(3, 4, 1, 1, 12), ...fourth),
        ...rest,
      ]),
      history: new Map([[34, [row(end)]]]),
    });

  const first = [ask(1, edit(0, 1), 20), changed(one, 21, 1)];
  t.strictSame(both(one, first, [changed(one, 22)]), {});
  t.strictSame(both(one, first, []), { diverged: 1 }, 'a device was not told');
  t.match(both(state(0), first, [changed(one, 22)]), { unkept: 2 }, 'a change that was answered is gone');
  t.match(both(one, [changed(one, 21)], [changed(one, 22)]), { unwanted: 1 }, 'nobody wrote that');
  t.strictSame(both(one, [ask(1, edit(0, 1), 20), changed(one, 22)], [changed(one, 22)]), { unanswered: 1 });
  t.strictSame(
    both(one, first, [changed({ ...one, content: `${text} edit-2` }, 22)]),
    { diverged: 1 },
    'one change is one state',
  );
  const second = [...first, ask(2, edit(1, 2), 30), changed(two, 31, 2)];
  t.strictSame(both(two, second, [changed(two, 32, undefined, 1)]), {}, 'a later change overrides it');
  t.strictSame(both(two, second, [changed(one, 22), changed(two, 32)]), {});
  t.match(both(two, second, [changed(two, 32)]), { changeOrder: 1 }, 'a hole');
  t.match(
    both(two, second, [changed(two, 32, undefined, 1), changed(one, 33)]),
    { changeOrder: 1 },
    'what goes back',
  );
  const back = edited(3, one.content);
  t.match(both(back, second, [changed(back, 32, undefined, 1)]), { unkept: 1, diverged: 2 });
  const stands = (change: number): Entry => ({
    ...{ type: 'changes', connection: 1, at: 40, conversation: 34, change },
  });
  t.strictSame(both(two, second, [changed(two, 32, undefined, 1), stands(3)]), { diverged: 1 });
  t.strictSame(
    both(two, second, [changed(two, 32, undefined, 1), stands(1)]),
    { changeOrder: 1 },
    'a position goes back',
  );

  const gone = [...first, ask(2, { does: 'delete' }, 30), changed(deleted(2), 31, 2)];
  t.strictSame(both(deleted(2), gone, [changed(deleted(2), 32, undefined, 1)]), {});
  const again = changed(edited(3, one.content), 33);
  t.match(
    both(deleted(2), gone, [changed(deleted(2), 32, undefined, 1), again]),
    { undeleted: 1 },
    'a deleted text comes back',
  );
  t.match(both(one, gone, [changed(one, 22)]), { unkept: 2 }, 'a deletion is undone');
  t.match(both(deleted(2), first, [changed(deleted(2), 22, undefined, 1)]), { unwanted: 1 });
  const overtaken: Entry = {
    ...{ type: 'error', connection: 1, at: 35, id: '-34-c3', code: 'deleted', text: '', retryable: false },
  };
  const late = [...gone, ask(3, edit(1, 3), 34), overtaken];
  t.strictSame(both(deleted(2), late, [changed(deleted(2), 32, undefined, 1)]), {}, 'and says so');
  const come = chat(3, 4, 1, 1, 50, 2);
  const later = [changed(deleted(2), 32, undefined, 1), ...begin(2, 40), sync(2, 41), come];
  t.match(both(deleted(2), gone, later), { undeleted: 1 }, 'or comes to a device that saw it deleted');

  const liked = state(1, { reactions: '👍:3' });
  const likes = [ask(1, thumb(true), 20), changed(liked, 21, 1)];
  t.strictSame(both(liked, likes, [changed(liked, 22)]), {});
  t.strictSame(both(liked, [changed(liked, 21)], [changed(liked, 22)]), { unwanted: 1 });
  const none = state(2);
  t.strictSame(both(none, likes.concat(changed(none, 22)), [changed(none, 22, undefined, 1)]), { unkept: 1 });
  const unlikes = [...likes, ask(2, thumb(false), 30), changed(none, 31, 2)];
  t.strictSame(both(none, unlikes, [changed(none, 32, undefined, 1)]), {}, 'it is taken back');
  const still = state(2, { reactions: '👍:3' });
  t.match(both(still, unlikes, [changed(still, 32, undefined, 1)]), { unkept: 1 });
});

test('messages that change before plain clients have them', async (t) => {
  const content = `${name(3, 1, 1)} edit-1`;
  const place = { conversation: 13, seq: 1, msgId: 1301 };
  const wish = (does: Wish): Entry => ({
    ...{ type: 'ask', connection: 1, at: 20, id: '-13-c1', conversation: 13, seq: 1, wish: does },
  });
  const changed = (deleted: boolean): Entry => ({
    ...{ type: 'changed', connection: 1, at: 21, ...place, id: '-13-c1' },
    state: {
      change: 1,
      content: deleted ? '' : content,
      edited: !deleted,
      deleted,
      reactions: '',
      pinned: false,
    },
  });
  const to = (does: Wish, ...entries: Entry[]) =>
    broken(
      run([
        extended(
          3,
          ...begin(1),
          sync(1, 1),
          say(3, 1, 1, 10),
          sent(3, 1, 1, 1, 11),
          wish(does),
          changed(does.does === 'delete'),
        ),
        plain(1, ...begin(1, 30), ...entries),
      ]),
    );
  const edit: Wish = { does: 'edit', content, base: 0 };
  const other: Entry = {
    ...{ type: 'row', connection: 1, at: 40, from: 3, to: 1, content: name(3, 1, 1), msgId: 1301 },
  };
  t.strictSame(to(edit, { ...other, content }), {}, 'edited, they come as they are');
  t.strictSame(to(edit), { lost: 1 });
  t.strictSame(to({ does: 'delete' }), {}, 'deleted, not at all');
  t.strictSame(to({ does: 'delete' }, other), { undeleted: 1 });
  t.strictSame(to({ does: 'delete' }, { ...other, content: '' }), { unsent: 1 });
});
