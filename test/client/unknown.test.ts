import t from 'tap';
import { createArrivals } from '../../static/app/arrivals.js';
import { createOutbox } from '../../static/app/outbox.js';
import { unset } from '../../static/app/own.js';
import type { Keeper } from '../../static/app/records.js';
import { Thread, unknownIn } from '../../static/app/thread.js';
import { created_at, me, message as spoken, user } from './message.js';

const at = Date.parse(created_at);
const message = (...said: Parameters<typeof spoken>) => ({
  ...{ type: 'chat' as const, ...spoken(...said), created_at: '2026-01-02T03:00:00.000Z' },
});
const unknown = (seq: number, conversation_id = 9) => ({ conversation_id, seq, at });

const nothing: Keeper = { all: async () => [], write: async () => {}, pending: () => false };

function setUp(known = true) {
  const acks: string[] = [];
  let holes = 0;
  const thread = new Thread(me, user);
  if (known) thread.conversationId = 9;
  const directory = {
    ensure: () => thread,
    byConversation: (id: number) => (thread.conversationId === id ? thread : undefined),
    link: (_thread: Thread, conversation: number) => {
      thread.conversationId = conversation;
    },
    save: () => {},
    join: () => {},
  };
  const arrivals = createArrivals({
    me,
    directory,
    outbox: createOutbox({ local: nothing, send: () => true, overdue: () => {} }),
    ack: (conversation, seq) => acks.push(`${conversation}:${seq}`),
    listing: () => false,
    onHole: () => holes++,
    onChange: () => {},
    onUnsure: () => {},
    onAltered: () => {},
    onIncoming: () => {},
  });
  return { arrivals, thread, acks, holes: () => holes };
}

t.test('[X17] a frame stands in a conversation by its numbers, whatever its type', async (t) => {
  const frame = { type: 'sticker', conversation_id: 9, seq: 3 };
  t.same(unknownIn({ ...frame, created_at }), unknown(3));
  t.same(unknownIn(frame), { ...unknown(3), at: undefined });
  for (const other of [{ type: 'x' }, { ...frame, seq: '3' }, { type: 'x', conversation_id: 9 }])
    t.equal(unknownIn(other), null);
});

t.test('[X17] what is not known moves the position, is confirmed, and is no unread message', async (t) => {
  const { arrivals, thread, acks } = setUp();
  arrivals.onChat(message(1));
  arrivals.onUnknown(unknown(2));
  t.same([thread.position, thread.at, thread.unread.value], [2, at, 1]);
  t.equal(thread.last?.seq, 1, 'the list shows the message before');
  arrivals.onChat(message(3));
  t.same([thread.position, thread.unread.value], [3, 2]);
  arrivals.onUnknown(unknown(2));
  t.same(acks, ['9:1', '9:2', '9:3', '9:3']);
  thread.describe({ ...saidOf(1), unread: 1 }, false);
  t.equal(thread.unread.value, 2, 'what came after the list was made is counted without it');
});

const saidOf = (last: number) => ({
  conversation_id: 9,
  user,
  last_seq: last,
  last_message: message(1),
  unread: 0,
  mentions: 0,
  settings: unset,
  read_seq: 0,
  receipt: { delivered_seq: 0, read_seq: 0 },
});

t.test('[X17] past a hole it waits, unconfirmed, as a message does', async (t) => {
  const { arrivals, thread, acks, holes } = setUp();
  arrivals.onUnknown(unknown(2));
  t.same([thread.position, acks.length, holes()], [0, 0, 1]);
  arrivals.onChat(message(1));
  t.same([thread.position, thread.at, acks], [2, at, ['9:2']]);
});

t.test('[X17] a conversation that begins with it is confirmed, and goes on with its messages', async (t) => {
  const { arrivals, thread, acks, holes } = setUp(false);
  arrivals.onUnknown(unknown(1));
  arrivals.onChat(message(2));
  t.same([thread.position, acks, holes()], [2, ['9:1', '9:2'], 0]);
});

t.test(
  '[X19] where nothing is left of what is before, what is held stays and the rest goes on',
  async (t) => {
    const { arrivals, thread, acks, holes } = setUp();
    arrivals.onChat(message(1));
    arrivals.onGone(9, 4);
    t.same([thread.position, thread.at, thread.messages.size], [4, undefined, 1]);
    arrivals.onChat(message(5));
    t.same([thread.position, thread.unread.value, acks, holes()], [5, 2, ['9:1', '9:5'], 0]);
    arrivals.onGone(9, 3);
    t.equal(thread.position, 5, 'it only grows');
  },
);

t.test('[X19] a conversation of which only the end is left goes on with that', async (t) => {
  const { arrivals, thread, acks, holes } = setUp(false);
  arrivals.onGone(9, 4);
  arrivals.onChat(message(5));
  t.same([thread.position, acks, holes()], [5, ['9:5'], 0]);
});

t.test('[X17] where history lacks it, or has it with its type, nothing is shown', async (t) => {
  const thread = new Thread(me, user);
  thread.startAt(4);
  thread.load([message(1), { ...message(3), ...{ type: 'sticker' } }], 1, 4);
  const held = [1, 2, 3, 4].map((seq) => thread.messages.get(seq));
  t.same(held, [message(1), null, null, null]);
});

t.test('[X17] it is not kept on the device: the next version of the page may know it', async (t) => {
  const thread = new Thread(me, user);
  for (const next of [message(1), unknown(2), message(3), unknown(4)]) thread.accept(next);
  const again = new Thread(me, user);
  again.restore(thread.held());
  t.same([again.position, again.at, again.last?.seq], [4, at, 3]);
  t.same([...again.messages.keys()], [1, 3]);
});

t.test('[X17] where the list ends with it, the position is not of the message before', async (t) => {
  const thread = new Thread(me, user);
  thread.describe(saidOf(2), true);
  t.same([thread.position, thread.at, thread.last?.seq], [2, undefined, 1]);
});
