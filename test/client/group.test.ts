import t from 'tap';
import type { Group, GroupEvent } from '../../schemas/group.js';
import { createArrivals } from '../../static/app/arrivals.js';
import { changed } from '../../static/app/events.js';
import { createOutbox } from '../../static/app/outbox.js';
import { unset } from '../../static/app/own.js';
import { groupIn, peerOf } from '../../static/app/peer.js';
import type { Keeper } from '../../static/app/records.js';
import { Thread } from '../../static/app/thread.js';
import { created_at, me } from './message.js';

const other = me + 1;
const group: Group = {
  kind: 'group',
  title: 'Climbing',
  role: 'member',
  posting: 'all',
  history: 'all',
  members: 3,
};
const nothing: Keeper = { all: async () => [], write: async () => {}, pending: () => false };

function setUp() {
  const threads = new Map<number, Thread>();
  const acks: string[] = [];
  const told: number[] = [];
  const directory = {
    ensure: ({ user_id, username }: { user_id: number; username: string }) => {
      const thread = threads.get(user_id) ?? new Thread(me, { user_id, username });
      threads.set(user_id, thread);
      return thread;
    },
    byConversation: (id: number) => [...threads.values()].find((one) => one.conversationId === id),
    link: (thread: Thread, conversation: number) => {
      thread.conversationId = conversation;
    },
    save: () => {},
    join: (thread: Thread, ...how: Parameters<Thread['join']>) => thread.join(...how),
  };
  const arrivals = createArrivals({
    me,
    directory,
    outbox: createOutbox({ local: nothing, send: () => true, overdue: () => {} }),
    ack: (conversation, seq) => acks.push(`${conversation}:${seq}`),
    listing: () => false,
    onHole: () => {},
    onChange: () => {},
    onUnsure: () => {},
    onAltered: () => {},
    onIncoming: (_thread, { seq }) => told.push(seq),
  });
  const of = (conversation: number) => directory.ensure({ user_id: peerOf(conversation), username: '' });
  return { arrivals, of, acks, told };
}

const stood = (seq: number, from_user_id = other) => ({
  ...{ conversation_id: 9, msg_id: seq, seq, from_user_id, created_at },
});
const chat = (seq: number) => ({ type: 'chat' as const, content: `text ${seq}`, ...stood(seq) });
const event = (seq: number, what: GroupEvent, from = other) => ({
  ...{ type: 'event' as const, event: what, ...stood(seq, from) },
});
const said = (last_seq: number, unread: number) => ({
  ...{ conversation_id: 9, group, last_seq, last_message: null, unread, read_seq: 0 },
  ...{ mentions: 0, settings: unset },
});

t.test('what was done to a group stands in it, and counts as unread for nobody', async (t) => {
  const { arrivals, of, acks, told } = setUp();
  arrivals.onEvent(event(1, { action: 'made', title: 'Climbing' }));
  arrivals.onChat(chat(2));
  arrivals.onEvent(event(3, { action: 'added', user_ids: [7, 8] }));
  const thread = of(9);
  t.equal(groupIn(thread.peer), 9);
  t.same([thread.position, thread.unread.value], [3, 1]);
  t.same(told, [1, 2, 3]);
  t.same(acks, ['9:1', '9:2', '9:3']);
  t.equal(thread.messages.get(3)?.event?.action, 'added');
  thread.describe(said(2, 1), false);
  t.equal(thread.unread.value, 1);
  t.equal(thread.group.value?.members, 5, 'two were added since');
  thread.read(3);
  t.equal(thread.unread.value, 0);
});

t.test('events change what is known of the group, each once', async (t) => {
  const { arrivals, of } = setUp();
  const thread = of(9);
  thread.describe(said(5, 0), true);
  t.equal(thread.user.value.username, 'Climbing');
  arrivals.onEvent(event(4, { action: 'added', user_ids: [7] }));
  t.equal(thread.group.value?.members, 3, 'what was known already');
  arrivals.onEvent(event(6, { action: 'added', user_ids: [7, 8] }));
  arrivals.onEvent(event(7, { action: 'renamed', title: 'Bouldering' }));
  t.equal(thread.group.value?.members, 5);
  t.equal(thread.user.value.username, 'Bouldering');
  arrivals.onChat(chat(8));
  t.equal(thread.unread.value, 1);
  arrivals.onEvent(event(9, { action: 'removed', user_ids: [me] }));
  t.same([thread.group.value?.role, thread.unread.value], [null, 0]);
});

t.test('an answer that was made before what has come meanwhile doesn’t take that back', async (t) => {
  const { arrivals, of } = setUp();
  arrivals.onEvent(event(1, { action: 'made', title: 'Old' }));
  arrivals.onEvent(event(2, { action: 'renamed', title: 'Bouldering' }));
  arrivals.onEvent(event(3, { action: 'left' }));
  const thread = of(9);
  thread.describe(said(1, 0), false);
  t.same([thread.user.value.username, thread.group.value?.members], ['Bouldering', 2]);
  thread.describe(said(2, 0), false);
  t.same(thread.group.value?.members, 2);
});

t.test('each action', async (t) => {
  const after = (what: GroupEvent, from = other) => changed(group, what, from, me);
  t.equal(after({ action: 'joined' }, me).role, 'member');
  t.equal(after({ action: 'left' }, me).role, null);
  t.equal(after({ action: 'left' }).members, 2);
  t.equal(after({ action: 'role', user_ids: [me], role: 'owner' }).role, 'owner');
  t.equal(after({ action: 'role', user_ids: [other], role: 'owner' }).role, 'member');
  t.equal(after({ action: 'topic', topic: 'Ropes' }).topic, 'Ropes');
  t.equal(changed({ ...group, topic: 'Ropes' }, { action: 'topic', topic: '' }, other, me).topic, '');
  t.equal(
    changed({ ...group, topic: 'Ropes' }, { action: 'topic' }, other, me).topic,
    'Ropes',
    'it was erased',
  );
  t.equal(after({ action: 'posting', posting: 'moderators' }).posting, 'moderators');
  t.equal(after({ action: 'history', history: 'joining' }).history, 'joining');
  t.equal(after({ action: 'added', user_ids: [me] }).role, 'member');
});

t.test('`joined` leaves a hole that is filled over HTTP, but for what is hidden', async (t) => {
  const { arrivals, of } = setUp();
  const joined = { type: 'joined' as const, conversation_id: 9 };
  arrivals.onChat(chat(1));
  arrivals.onChat(chat(5));
  arrivals.onJoined({ ...joined, seq: 40, at: 1 });
  const thread = of(9);
  t.same([thread.position, thread.at], [40, 1]);
  arrivals.onChat(chat(41));
  t.equal(thread.position, 41);
  t.notOk(thread.messages.has(40) || thread.silent(40), 'it may be there');
  t.notOk(thread.messages.has(5), 'what came early is forgotten');
  arrivals.onJoined({ ...joined, seq: 60, hidden: true });
  t.ok([42, 50, 60].every((seq) => thread.silent(seq)));
  arrivals.onJoined({ ...joined, seq: 50 });
  t.equal(thread.position, 60, 'never back');
});

t.test('who may not see what was before has nothing before it', async (t) => {
  const { arrivals, of } = setUp();
  arrivals.onJoined({ type: 'joined', conversation_id: 9, seq: 70, hidden: true });
  arrivals.onChat(chat(71));
  const thread = of(9);
  t.same([thread.begins, thread.position, thread.unread.value], [71, 71, 1]);
  t.equal(thread.firstUnread(), 71);
  thread.empty(1, 80);
  t.equal(thread.begins, 81);
});
