/** What groups and channels are about, over HTTP and on sockets, at two instances. */
import t from 'tap';
import { GROUPS } from '../schemas/limits.js';
import { build, type Client, connect, connectSynced, eventually, signUp, type User } from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);

async function ask({ token }: User, method: string, path: string, body?: object) {
  const answer = await two.request(method, `/api/${path}`, { token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}
const make = async (maker: User, people: User[], more: object) =>
  (
    await ask(maker, 'POST', 'conversations', {
      title: 'A group',
      user_ids: people.map(({ user_id }) => user_id),
      ...more,
    })
  ).data;
const set = (user: User, id: number, change: object) => ask(user, 'PATCH', `conversations/${id}`, change);
const seen = async (user: User, id: number) => (await ask(user, 'GET', `conversations/${id}`)).data;
const events = async (user: User, id: number) =>
  (await ask(user, 'GET', `conversations/${id}/messages`)).data.messages.map(
    ({ event }: { event?: object }) => event,
  );
/** Waits for a place of a conversation. @returns what was done there */
async function eventAt(client: Client, id: number, seq: number) {
  const find = () => client.of('event').find((frame) => frame.conversation_id === id && frame.seq === seq);
  await client.until(() => find() !== undefined, `${seq} didn't come`);
  return find()?.event;
}

t.test(
  '[G30] a topic is given, changed and taken away; each is an event, what changes nothing is none',
  async (t) => {
    const [owner, bob] = [await signUp(one), await signUp(one)];
    const [here, there] = [await connectSynced(t, one, owner), await connectSynced(t, two, owner)];
    const b = await connectSynced(t, one, bob);
    const plain = await connect(t, one, bob);
    const body = { id: 'mine', topic: '  Ropes  & <knots> \u0065\u0301 ' };
    const made = await make(owner, [bob], body);
    const { conversation_id: id } = made;
    t.match(made, {
      last_seq: 3,
      group: { title: 'A group', topic: 'Ropes  & <knots> \u00e9', role: 'owner' },
    });
    t.equal((await make(owner, [bob], { ...body, topic: 'x' })).last_seq, 3, 'the same id is the same group');
    for (const client of [here, there, b])
      t.strictSame(await eventAt(client, id, 3), { action: 'topic', topic: 'Ropes  & <knots> \u00e9' });

    await one.app.groups.change(owner.user_id, id, { does: 'set', topic: ' Ropes  & <knots> \u00e9' });
    const both = await set(owner, id, { title: 'Climbers', topic: 'Ropes', history: 'joining' });
    t.match(both.data, {
      last_seq: 6,
      unread: 0,
      group: { title: 'Climbers', topic: 'Ropes', history: 'joining' },
    });
    t.equal((await set(owner, id, { title: 'Climbers', topic: 'Ropes' })).data.last_seq, 6);
    t.match((await set(owner, id, { title: 'Boulderers' })).data.group, {
      title: 'Boulderers',
      topic: 'Ropes',
    });
    const without = (await set(owner, id, { topic: ' ' })).data;
    t.strictSame([without.last_seq, 'topic' in without.group], [8, false]);
    for (const client of [here, there, b]) {
      t.strictSame(await eventAt(client, id, 6), { action: 'topic', topic: 'Ropes' });
      t.strictSame(await eventAt(client, id, 8), { action: 'topic', topic: '' });
      t.equal(client.of('event').length, 8);
    }
    t.strictSame((await events(bob, id)).slice(3), [
      { action: 'renamed', title: 'Climbers' },
      { action: 'history', history: 'joining' },
      { action: 'topic', topic: 'Ropes' },
      { action: 'renamed', title: 'Boulderers' },
      { action: 'topic', topic: '' },
    ]);
    t.match((await ask(bob, 'GET', 'conversations')).data.conversations, [
      { conversation_id: id, unread: 0, last_message: { type: 'event', event: { topic: '' } } },
    ]);
    await plain.barrier();
    plain.send('get_offline');
    t.strictSame((await plain.next('offline_list')).data, []);
    t.strictSame(
      plain.frames.filter(({ type }) => /chat|event/.test(type)),
      [],
      'a plain client sees nothing of it',
    );
  },
);

t.test(
  '[G30] whoever may change the title may change the topic, and a change is refused as a whole',
  async (t) => {
    const [owner, moderator, member, stranger] = [
      await signUp(one),
      await signUp(one),
      await signUp(one),
      await signUp(one),
    ];
    const { conversation_id: id } = await make(owner, [moderator, member], { topic: 'First' });
    await ask(owner, 'PUT', `conversations/${id}/members/${moderator.user_id}`, { role: 'moderator' });
    const { last_seq } = await seen(owner, id);
    t.match(await set(member, id, { topic: 'Mine' }), { status: 403, error: 'moderator_needed' });
    t.match(await set(member, id, { topic: '' }), { status: 403, error: 'moderator_needed' });
    t.match(await set(moderator, id, { topic: 'Ours', posting: 'moderators' }), {
      status: 403,
      error: 'owner_needed',
    });
    t.match(await set(stranger, id, { topic: 'First' }), { status: 404, error: 'conversation_not_found' });
    t.match(await set(member, id, { topic: 'First' }), { status: 200 }, 'it is so already');
    for (const topic of ['a\nb', '\u202e', '\u200b', 'x'.repeat(GROUPS.topic + 1), 'x'.repeat(4097)]) {
      const error = topic.length > 4096 ? 'bad_request' : 'topic_invalid';
      t.match(await set(owner, id, { title: 'Other', topic }), { status: 400, error });
      t.match(await ask(owner, 'POST', 'conversations', { title: 'x', topic }), { status: 400, error });
    }
    t.match(await seen(owner, id), { last_seq, group: { title: 'A group', topic: 'First', posting: 'all' } });
    const longest = '\u{1f600}'.repeat(GROUPS.topic);
    t.match((await set(moderator, id, { topic: longest })).data, {
      last_seq: last_seq + 1,
      group: { topic: longest },
    });

    // Who has left sees what it was then.
    await ask(member, 'DELETE', `conversations/${id}/members/${member.user_id}`);
    await set(owner, id, { topic: 'Later' });
    t.match((await seen(member, id)).group, { role: null, topic: longest });
    t.equal((await set(member, id, { topic: longest })).error, 'conversation_not_found');

    await one.app.db.sql`update groups set archived_at = now() where conversation_id = ${id}`;
    t.match(await set(owner, id, { topic: 'Last' }), { status: 403, error: 'posting_closed' });
    t.equal((await seen(owner, id)).group.topic, 'Later');
  },
);

t.test('[G30] two who change it at once leave an event each, and the later one holds', async (t) => {
  const owner = await signUp(one);
  const { conversation_id: id } = await make(owner, [], {});
  await Promise.all(Array.from({ length: 8 }, (_, i) => set(owner, id, { topic: `Topic ${i}` })));
  const said = await events(owner, id);
  t.equal(said.length, 9);
  t.equal((await seen(owner, id)).group.topic, said.at(-1).topic);
});

t.test(
  '[G30] channels are listed with it, a file has it, and who is gone leaves it without their event',
  async (t) => {
    const [owner, bob] = [await signUp(one), await signUp(one)];
    const word = `w${owner.user_id}`;
    const about = { kind: 'channel', title: `${word} one`, topic: 'Wind & <rain>' };
    const { conversation_id: id } = await make(owner, [bob], about);
    const { conversation_id: other } = await make(owner, [], { kind: 'channel', title: `${word} two` });
    t.strictSame((await ask(bob, 'GET', `channels?search=${word}`)).data.channels, [
      { conversation_id: id, title: about.title, topic: about.topic, members: 2, joined: true },
      { conversation_id: other, title: `${word} two`, members: 1, joined: false },
    ]);
    const file = async (format: string) => {
      const headers = { authorization: `Bearer ${bob.token}` };
      return (await fetch(`${two.url}/api/conversations/${id}/export?format=${format}`, { headers })).text();
    };
    t.match(JSON.parse(await file('json')).conversation.group, { topic: about.topic });
    const page = await file('html');
    t.match(page, `<h1>${about.title}</h1>\n<p>Wind &#38; &#60;rain&#62;</p>`);
    t.match(page, '<em>topic Wind &#38; &#60;rain&#62;</em>');

    await one.app.accounts.delete(owner.user_id, true, undefined);
    await eventually(async () => {
      const [, , changed] = await events(bob, id);
      return changed.action === 'topic' && !('topic' in changed);
    }, 'what they typed is emptied');
    t.match((await seen(bob, id)).group, { title: about.title, topic: about.topic, role: 'owner' });
  },
);
