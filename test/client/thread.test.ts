import t from 'tap';
import { unset } from '../../static/app/own.js';
import { Thread } from '../../static/app/thread.js';
import { me, message, user } from './message.js';

const said = (last: number, unread: number, read: number) => ({
  conversation_id: 9,
  user,
  last_seq: last,
  last_message: message(last),
  unread,
  mentions: 0,
  settings: unset,
  read_seq: read,
  receipt: { delivered_seq: 0, read_seq: 0 },
});

t.test(
  'messages continue by one; one past a hole waits for it; one seen before changes nothing',
  async (t) => {
    const thread = new Thread(me, user);
    t.equal(thread.accept(message(1)), 'new');
    t.equal(thread.accept(message(3)), 'ahead');
    t.equal(thread.position, 1);
    t.equal(thread.accept(message(2)), 'new');
    t.equal(thread.position, 3);
    t.equal(thread.accept(message(2)), 'known');
    t.equal(thread.unread.value, 3);
  },
);

t.test('unread counts each message of the other once, whether the list or a frame told it', async (t) => {
  const thread = new Thread(me, user);
  thread.describe(said(10, 4, 6), true);
  t.equal(thread.position, 10);
  t.equal(thread.unread.value, 4);
  thread.accept(message(11));
  thread.accept(message(12, me));
  t.equal(thread.unread.value, 5);
  thread.describe(said(12, 5, 6), false);
  t.equal(thread.unread.value, 5);
  thread.read(8);
  thread.read(12);
  t.equal(thread.unread.value, 0);
  t.equal(thread.tellRead, 12);
});

t.test('what was read on another device is read here too, and is not told back', async (t) => {
  const thread = new Thread(me, user);
  for (let seq = 1; seq <= 5; seq++) thread.accept(message(seq));
  thread.readElsewhere(3);
  t.equal(thread.unread.value, 2);
  t.equal(thread.firstUnread(), 4);
  t.ok(thread.toldRead >= thread.tellRead);
  thread.readElsewhere(2);
  t.equal(thread.readSeq, 3, 'it only grows');
});

t.test('what was read on another device before it comes is never unread here', async (t) => {
  const thread = new Thread(me, user);
  thread.accept(message(1));
  thread.readElsewhere(3);
  t.equal(thread.unread.value, 0);
  for (let seq = 2; seq <= 4; seq++) thread.accept(message(seq));
  t.equal(thread.unread.value, 1);
});

t.test('reading begins after what was read, but not before a heap of one’s own', async (t) => {
  const thread = new Thread(me, user);
  t.equal(thread.firstUnread(), 0);
  thread.describe(said(60, 3, 50), true);
  t.equal(thread.firstUnread(), 51);
  const heap = new Thread(me, user);
  heap.describe(said(500, 1, 0), true);
  t.equal(heap.firstUnread(), 500);
});

t.test('an older list does not turn anything back', async (t) => {
  const thread = new Thread(me, user);
  thread.describe(said(5, 0, 5), true);
  thread.receive({ delivered_seq: 5, read_seq: 4 });
  thread.receive({ delivered_seq: 3, read_seq: 5 });
  t.same(thread.receipt.value, { delivered_seq: 5, read_seq: 5 });
  thread.accept(message(6));
  thread.describe(said(5, 0, 5), false);
  t.equal(thread.position, 6);
  t.equal(thread.unread.value, 1);
});

t.test('what is kept on the device comes back as it was', async (t) => {
  const thread = new Thread(me, user);
  for (let seq = 1; seq <= 80; seq++) thread.accept(message(seq));
  thread.read(70);
  const again = new Thread(me, user);
  again.restore(thread.held());
  t.equal(again.position, 80);
  t.equal(again.unread.value, 10);
  t.equal(again.messages.size, 60, 'of a long thread, the end');
  again.accept(message(81));
  t.equal(again.unread.value, 11);
});

t.test('after a reset the thread goes on from where the server says', async (t) => {
  const thread = new Thread(me, user);
  thread.accept(message(1));
  thread.accept(message(7));
  thread.read(1);
  thread.reset(5, 1234);
  t.same([thread.position, thread.at], [5, 1234]);
  t.equal(thread.messages.size + thread.readSeq, 0, 'nothing of the other history is left');
  t.equal(thread.accept(message(6)), 'new');
  t.equal(thread.position, 6, 'what had come ahead of the hole is not trusted');
  t.equal(thread.at, Date.parse(message(6).created_at));
});

t.test('a position keeps the time of its message, also one that was kept without', async (t) => {
  const at = Date.parse(message(1).created_at);
  const thread = new Thread(me, user);
  thread.accept(message(1));
  t.equal(thread.at, at);
  const { at: _, ...before } = thread.held();
  const again = new Thread(me, user);
  again.restore(before);
  t.equal(again.at, at);
  thread.reset(5, 1234);
  const further = new Thread(me, user);
  further.restore(thread.held());
  t.same([further.position, further.at], [5, 1234]);
  further.startAt(7);
  t.equal(further.at, undefined);
});

t.test('where the list jumps past what is kept, that is dropped: nobody has compared it', async (t) => {
  const thread = new Thread(me, user);
  thread.accept(message(1));
  thread.describe(said(500, 0, 500), true);
  t.same([...thread.messages.keys()], [500]);
  t.same([thread.position, thread.at], [500, Date.parse(message(500).created_at)]);
});

t.test(
  'what comes before the list has told of a conversation is counted with what the list tells',
  async (t) => {
    const thread = new Thread(me, user);
    thread.startAt(50);
    t.equal(thread.accept(message(51)), 'new');
    t.equal(thread.unread.value, 1);
    thread.describe(said(50, 7, 43), false);
    t.equal(thread.position, 51);
    t.equal(thread.unread.value, 8);
    thread.describe(said(51, 8, 43), false);
    t.equal(thread.unread.value, 8);
  },
);

t.test(
  'one’s own last message counts as of when the server stored it, whatever our clock had said',
  async (t) => {
    const thread = new Thread(me, user);
    thread.activity.value = Date.parse('2030-01-01');
    thread.accept(message(1, me));
    t.equal(thread.activity.value, Date.parse('2026-01-02T03:04:05.000Z'));
  },
);
