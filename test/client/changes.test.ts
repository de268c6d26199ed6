import { readFile } from 'node:fs/promises';
import t from 'tap';
import { readEmoji } from '../../schemas/change.js';
import type { Message } from '../../schemas/message.js';
import { altered } from '../../static/app/altered.js';
import { found, parseEmoji } from '../../static/app/emoji.js';
import type { Outgoing } from '../../static/app/records.js';
import { Thread } from '../../static/app/thread.js';
import { me, message, user } from './message.js';

const state = (seq: number, change: number, more: Partial<Message> = {}): Message => ({
  ...message(seq),
  change,
  ...more,
});

function filled(count: number): Thread {
  const thread = new Thread(me, user);
  for (let seq = 1; seq <= count; seq++) thread.accept(message(seq));
  return thread;
}

t.test('of two states of a message the one of the later change holds, however they come', async (t) => {
  const thread = filled(3);
  t.equal(thread.alter(state(2, 5, { content: 'five' }))?.content, '2', 'what was shown before');
  t.equal(thread.alter(state(2, 4, { content: 'four' })), undefined);
  thread.load([message(2)]);
  t.equal(thread.accept(state(2, 3)), 'known');
  t.equal(thread.messages.get(2)?.content, 'five', 'a page of history may be older');
  thread.accept(state(2, 6, { content: 'six' }));
  t.equal(thread.messages.get(2)?.content, 'six', 'and a message that comes again newer');
});

t.test(
  'what changed before it is here is kept: an answer with its state before may be on its way',
  async (t) => {
    const thread = new Thread(me, user);
    thread.startAt(10);
    t.equal(thread.alter(state(4, 2, { content: '', deleted: true })), undefined);
    t.equal(thread.alter(state(11, 3)), undefined);
    t.equal(thread.messages.has(11), false, 'past the position it comes as it is');
    thread.load([message(3), message(4)]);
    t.equal(thread.messages.get(4)?.deleted, true);
  },
);

t.test(
  '[E6] past the position what the server says again is taken, and what it does not is dropped',
  async (t) => {
    const thread = filled(4);
    thread.moveChange(3, 103, 1);
    thread.alter(state(1, 3, { content: 'shared' }));
    thread.alter(state(2, 7, { content: 'lost' }));
    thread.alter(state(3, 8, { content: '', deleted: true }));
    thread.doubt();
    thread.alter(state(3, 4, { content: 'four' }));
    t.equal(thread.alter(state(3, 3)), undefined, 'once');
    thread.dropUnproven();
    t.strictSame(
      [...thread.messages.values()].map((held) => [held?.seq, held?.content]),
      [
        [1, 'shared'],
        [3, 'four'],
        [4, '4'],
      ],
    );
    t.equal(thread.position, 4);
  },
);

t.test('the position of changes goes on without a gap, and is kept', async (t) => {
  const thread = filled(3);
  t.equal(thread.moveChange(1, 100, 1), true);
  t.equal(thread.moveChange(5, 105, 3), false, 'two is missing');
  t.equal(thread.moveChange(4, 104, 2), true, 'several in one');
  t.equal(thread.moveChange(4, 104, 4), true, 'told again');
  t.same([thread.change, thread.changedAt], [4, 104]);
  const again = new Thread(me, user);
  again.restore(thread.held());
  t.same([again.change, again.changedAt], [4, 104]);
  again.reset(3, 1, 2, 102);
  t.same([again.change, again.changedAt], [2, 102]);
  again.reset(3, 1);
  t.same([again.change, again.changedAt], [0, undefined]);
});

t.test('an edit that mentions the user, or no more, counts so while it is unread', async (t) => {
  const thread = filled(2);
  thread.alter(state(2, 1, { mentions: [me] }));
  t.equal(thread.mentions.value, 1);
  thread.alter(state(2, 2, { content: '', deleted: true }));
  t.equal(thread.mentions.value, 0);
  thread.read(2);
  thread.alter(state(1, 3, { mentions: [me] }));
  t.equal(thread.mentions.value, 0);
});

t.test('of many who react it stays known whether the reader does', async (t) => {
  const thread = filled(1);
  const many = { emoji: '👍', count: 300, users: [7, 8] };
  thread.alter(state(1, 1, { reactions: [{ ...many, mine: true }] }));
  thread.alter(state(1, 2, { reactions: [{ ...many, count: 301 }] }));
  t.equal(thread.messages.get(1)?.reactions?.[0]?.mine, true);
  thread.alter(state(1, 3, { reactions: [{ ...many, count: 2 }] }));
  t.equal(thread.messages.get(1)?.reactions?.[0]?.mine, undefined, 'all are named');
});

const item = (alters: Outgoing['alters'], content = '', error: string | null = null): Outgoing => ({
  id: `${Math.random()}`,
  n: 1,
  to_user_id: 2,
  content,
  created_at: '',
  error,
  alters,
});

t.test('a message is shown as it will be, and what was refused beside it', async (t) => {
  const reactions = [{ emoji: '👍', count: 2, users: [2, 3] }];
  const base = state(1, 1, { reactions });
  const edit = item({ seq: 1, what: 'edit', base: 1 }, 'new');
  const react = (emoji: string, on: boolean) => item({ seq: 1, what: 'react', emoji, on });
  const shown = altered(base, [edit, react('👍', true), react('🎉', true), react('🎉', false)], me);
  t.match(shown, { content: 'new', edited: true, waiting: true, deleted: false });
  t.same(shown.reactions, [{ emoji: '👍', count: 3, users: [2, 3, me], mine: true }]);
  const refused = { ...edit, error: 'conflict' };
  t.match(altered(base, [refused], me), { content: '1', waiting: false, failed: [refused] });
  const gone = altered(base, [edit, item({ seq: 1, what: 'delete' }), react('👍', true)], me);
  t.match(gone, { content: '', deleted: true, reactions: [] });
  t.equal(altered(base, [item({ seq: 2, what: 'delete' })], me).deleted, false, 'another one');
  const waiting = { ...item(undefined, 'x'), id: 'x' };
  t.equal(altered(waiting, [item({ seq: null, of: 'x', what: 'delete' })], me).deleted, true);
});

t.test('emoji are found by what they are called in either language, names first', async (t) => {
  const groups = parseEmoji(await readFile(new URL('../../static/app/emoji.txt', import.meta.url), 'utf8'));
  t.equal(groups.length, 9);
  const all = groups.flat();
  for (const { sign, en, zh } of all)
    if (readEmoji(sign) !== sign || !en || !zh) t.fail(`${sign} ${en} ${zh}`);
  const first = (typed: string) => found(all, typed)[0]?.sign;
  t.same(['rocket', 'ROCK', '火箭', '笑哭', '❤️', '飞'].map(first), [
    '🚀',
    '🪨',
    '🚀',
    '😂',
    '❤️',
    first('飞'),
  ]);
  t.ok(found(all, '飞').some(({ sign }) => sign === '✈️'));
  t.same(found(all, 'no such thing'), []);
});
