import t from 'tap';
import { besides, mentionsIn } from '../../static/app/mentions.js';
import { tells, unset } from '../../static/app/own.js';
import { createParked } from '../../static/app/parked.js';
import { Thread } from '../../static/app/thread.js';
import { me, message, user } from './message.js';

const named = (id: number, name: string) => ({ id, name });
const ana = named(5, 'Ana');
const anaMeyer = named(6, 'Ana Meyer');
const zhang = named(7, '张伟');
const found = (text: string, ...names: { id: number; name: string }[]) =>
  Array.from(mentionsIn(text, names), ({ id, at, end }) => [id, text.slice(at, end)]);
const to = (seq: number, whom: number[], from = 2) => ({ ...message(seq, from), mentions: whom });
const said = (last: number, unread: number, read: number, mentions = 0) => ({
  ...{ conversation_id: 9, user, last_seq: last, last_message: message(last), unread, mentions },
  ...{ read_seq: read, settings: unset },
});

t.test('a name stands in a text where it is whole, of two that begin alike the longer one', async (t) => {
  t.same(found('@Ana Meyer and @ana', ana, anaMeyer), [
    [6, '@Ana Meyer'],
    [5, '@ana'],
  ]);
  t.same(found('@Anabel, @Ana2 and @Anä', ana), []);
  t.same(found('(@Ana)@Ana!', ana), [
    [5, '@Ana'],
    [5, '@Ana'],
  ]);
  t.same(found('@张伟你好', zhang), [[7, '@张伟']], 'where words have no space between them');
  t.same(found('@'.repeat(16_000), ana, zhang), []);
  t.same(found('@', named(1, '')), []);
});

t.test('what rides beside a text: each once, as many as may, and none that isn’t in it', async (t) => {
  t.same(besides('@Ana @张伟 @Ana', [ana, anaMeyer, zhang], 50), { mentions: [5, 7] });
  t.same(besides('@Ana @张伟', [ana, zhang], 1), { mentions: [5] });
  t.same(besides('@all', [named(0, 'all')], 50), { mention_all: true });
  t.same(besides('nobody', [ana], 50), {});
});

t.test('of what the user wants to be told', async (t) => {
  const of = (level: 'all' | 'mentions' | 'nothing', muted_until: number | null = null) =>
    [false, true].map((mention) => tells({ ...unset, level, muted_until }, mention, 1000));
  t.same(of('all'), [true, true]);
  t.same(of('mentions'), [false, true]);
  t.same(of('nothing'), [false, false]);
  t.same(of('all', 1001), [false, false]);
  t.same(of('all', 1000), [true, true]);
});

t.test('mentions are counted apart, whether the list, a message or a head told of them', async (t) => {
  const thread = new Thread(me, user);
  thread.describe(said(10, 4, 6, 2), true);
  t.same([thread.unread.value, thread.mentions.value], [4, 2]);
  thread.accept(to(11, [me]));
  thread.accept({ ...message(12), mention_all: true });
  thread.accept(to(13, [8]));
  thread.accept(to(14, [me], me));
  t.same([thread.unread.value, thread.mentions.value], [7, 4]);
  t.ok(thread.tell({ seq: 20, at: 5, mention: 19 }));
  t.notOk(thread.tell({ seq: 20, at: 5, mention: 19 }), 'known');
  t.same([thread.unread.value, thread.mentions.value], [13, 5]);
  t.same([thread.position, thread.end], [14, 20], 'nothing of it was given');
  thread.read(14);
  t.same([thread.unread.value > 0, thread.mentions.value > 0], [true, true], 'what isn’t here isn’t read');
  thread.describe(said(20, 6, 14, 1), false);
  t.same([thread.unread.value, thread.mentions.value, thread.last?.seq], [6, 1, 20]);
  for (let seq = 15; seq <= 20; seq++) thread.accept(message(seq));
  t.same([thread.unread.value, thread.mentions.value], [6, 1], 'counted once');
  thread.read(20);
  t.same([thread.unread.value, thread.mentions.value], [0, 0]);
});

t.test('what was read elsewhere counts no more, given here or not', async (t) => {
  const thread = new Thread(me, user);
  thread.describe(said(10, 0, 10), true);
  thread.tell({ seq: 30, at: 1, mention: 12 });
  thread.readElsewhere(28);
  t.same([thread.unread.value, thread.mentions.value], [2, 1]);
  thread.readElsewhere(30);
  t.same([thread.unread.value, thread.mentions.value], [0, 0]);
});

t.test('marked as unread it is so until somebody looks, whatever was read', async (t) => {
  const thread = new Thread(me, user);
  for (let seq = 1; seq <= 5; seq++) thread.accept(seq === 4 ? to(seq, [me]) : message(seq));
  thread.read(5);
  const marked = { ...unset, unread_from: 4 };
  thread.set({ settings: marked, unread: 9, mentions: 9, read_seq: 5 });
  t.same([thread.unread.value, thread.mentions.value], [2, 1], 'counted here, where all is here');
  t.equal(thread.firstUnread(), 4);
  thread.accept(message(6));
  t.equal(thread.unread.value, 3);
  t.ok(thread.unmark());
  t.notOk(thread.unmark());
  thread.read(6);
  t.same([thread.unread.value, thread.firstUnread()], [0, 0]);
  thread.describe({ ...said(6, 3, 6), settings: marked }, false);
  t.equal(thread.unread.value, 0, 'the server isn’t told yet');
});

t.test('what is hidden is there again with the next message', async (t) => {
  const thread = new Thread(me, user);
  thread.settings.value = { ...unset, hidden: true };
  thread.accept(message(1));
  t.notOk(thread.settings.value.hidden);
  thread.settings.value = { ...unset, hidden: true };
  thread.tell({ seq: 2 });
  t.notOk(thread.settings.value.hidden);
});

t.test('a head that is new is looked at once in a while, and its mention at once', async (t) => {
  const thread = new Thread(me, user);
  thread.describe(said(1, 0, 1), true);
  const asked: string[] = [];
  const told: number[] = [];
  let live = false;
  const parked = createParked({
    api: {
      conversation: async (id) => {
        asked.push(`list ${id}`);
        return said(thread.end, 1, 1);
      },
      after: async (id, seq) => {
        asked.push(`${id} after ${seq}`);
        return { messages: [to(seq + 1, [me])] };
      },
    },
    directory: {
      byConversation: () => thread,
      hear: (known) => {
        thread.describe(known, false);
        return thread;
      },
      save: () => {},
    },
    isLive: () => live,
    onChange: () => {},
    onIncoming: (_thread, { seq }) => told.push(seq),
  });
  const head = (seq: number, mention?: number) =>
    parked.heard({
      type: 'head',
      conversations: [{ conversation_id: 9, seq, at: 1, ...(mention && { mention }) }],
    });
  head(2);
  t.same(asked, [], 'while one catches up the list says it all');
  live = true;
  head(4, 3);
  head(5);
  head(5);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(asked, ['9 after 2', 'list 9']);
  t.same(told, [3, 4]);
  thread.describe(said(6, 2, 1), false);
  head(6, 6);
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.same(asked, ['9 after 2', 'list 9', '9 after 5'], 'the list knew it first, and calls nobody');
  t.same(told, [3, 4, 6]);
});
