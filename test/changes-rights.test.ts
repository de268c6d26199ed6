/** Who may change what, and what is kept of messages: pins, saved ones, answers, files. */
import t, { type Test } from 'tap';
import { CHANGES, GROUPS } from '../schemas/limits.js';
import { build, type Client, connectSynced, signUp, type User } from './helper.js';

const server = await build(t, { EDIT_MINUTES: '1' });
const { sql } = server.app.db;

async function ask(user: User, method: string, path: string, body?: object) {
  const answer = await server.request(method, `/api/${path}`, { token: user.token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}
const say = async (user: User, to: object, content: string) =>
  (await ask(user, 'POST', 'messages', { ...to, content })).data;
const changesOf = (client: Client) => client.frames.filter(({ type }) => /^chang/.test(type));

/** A group of an owner, a moderator and members. */
async function crew(_t: Test, more: object = {}) {
  const [owner, moderator, member, other] = await Promise.all([0, 1, 2, 3].map(() => signUp(server)));
  if (!owner || !moderator || !member || !other) throw new Error('nobody');
  const people = [moderator, member, other].map(({ user_id }) => user_id);
  const { data } = await ask(owner, 'POST', 'conversations', { title: 'crew', user_ids: people, ...more });
  const id: number = data.conversation_id;
  await ask(owner, 'PUT', `conversations/${id}/members/${moderator.user_id}`, { role: 'moderator' });
  return { id, owner, moderator, member, other };
}
const message = (id: number, seq: number) => `conversations/${id}/messages/${seq}`;

t.test('[E9] moderators delete in their groups, nobody else what others wrote', async (t) => {
  const { id, owner, moderator, member, other } = await crew(t);
  const { seq } = await say(member, { conversation_id: id }, 'hello');
  t.match(await ask(other, 'DELETE', message(id, seq)), { status: 403, error: 'moderator_needed' });
  t.match(await ask(owner, 'PATCH', message(id, seq), { content: 'x' }), { error: 'not_author' });
  t.match(await ask(moderator, 'DELETE', message(id, seq)), {
    status: 200,
    data: { deleted: true, content: '' },
  });
  t.match(await ask(owner, 'DELETE', message(id, 1)), { error: 'message_not_found' }, 'an event');
  const stranger = await signUp(server);
  t.match(await ask(stranger, 'DELETE', message(id, seq)), { status: 404, error: 'conversation_not_found' });
  const mine = await say(member, { conversation_id: id }, 'mine');
  await ask(owner, 'DELETE', `conversations/${id}/members/${member.user_id}`);
  for (const [method, path] of [
    ['DELETE', message(id, mine.seq)],
    ['PUT', `${message(id, mine.seq)}/reactions/${encodeURIComponent('👍')}`],
  ] as const)
    t.match(
      await ask(member, method, path),
      { error: 'conversation_not_found' },
      'who has left changes nothing',
    );
  const old = await say(owner, { conversation_id: id }, 'old');
  await ask(owner, 'DELETE', `conversations/${id}/members/${other.user_id}`);
  await ask(owner, 'PATCH', message(id, old.seq), { content: 'edited' });
  const { messages } = (await ask(other, 'GET', `conversations/${id}/messages`)).data;
  t.match(
    messages.at(-2),
    { seq: old.seq, content: '', deleted: true },
    'what was edited later is not for them',
  );
  t.equal(messages.at(-2).change, undefined, 'and that is no state of it: who returns takes the one it has');
});

t.test('[E9] who may not write neither edits nor pins, and reacts as long as anybody writes', async (t) => {
  const { id, owner, member } = await crew(t);
  const { seq } = await say(member, { conversation_id: id }, 'hello');
  const [thumb = '', heart = ''] = ['👍', '❤️'].map(
    (x) => `${message(id, seq)}/reactions/${encodeURIComponent(x)}`,
  );
  await ask(owner, 'PATCH', `conversations/${id}`, { posting: 'moderators' });
  const refused = { status: 403, error: 'posting_closed' };
  t.match(await ask(member, 'PATCH', message(id, seq), { content: 'x' }), refused);
  t.match(await ask(member, 'PUT', `conversations/${id}/pins/${seq}`), refused);
  t.match(await ask(member, 'PUT', thumb), { status: 200, data: { change: 1 } });
  await sql`update conversations set posting = 3 where conversation_id = ${id}`;
  for (const user of [member, owner]) t.match(await ask(user, 'PUT', heart), refused);
  t.match(await ask(member, 'DELETE', thumb), refused);
  t.match(await ask(member, 'DELETE', message(id, seq)), { status: 200, data: { deleted: true } });
});

t.test('[E10] what one wrote may be edited for so long, and deleted at any time', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const { conversation_id: id, seq } = await say(alice, { to_user_id: bob.user_id }, 'hello');
  t.equal((await ask(alice, 'PATCH', message(id, seq), { content: 'in time' })).status, 200);
  const { frames } = await connectSynced(t, server, alice);
  t.match(frames.find(({ type }) => type === 'welcome')?.limits, { edit_minutes: 1 }, 'clients know of it');
  await sql`update messages set created_at = now() - interval '2 minutes' where conversation_id = ${id}`;
  t.match(await ask(alice, 'PATCH', message(id, seq), { content: 'late' }), {
    status: 403,
    error: 'edit_too_late',
  });
  t.equal((await ask(alice, 'PATCH', message(id, seq), { content: 'in time' })).status, 200, 'said again');
  t.match((await ask(alice, 'DELETE', message(id, seq))).data, { deleted: true });
});

t.test(
  '[E11] while one of two blocks the other, what is said stays as it is, but that each deletes their own',
  async (t) => {
    const [alice, bob] = [await signUp(server), await signUp(server)];
    const { conversation_id: id, seq } = await say(alice, { to_user_id: bob.user_id }, 'hello');
    await ask(bob, 'PUT', `blocks/${alice.user_id}`);
    const thumb = `${message(id, seq)}/reactions/${encodeURIComponent('👍')}`;
    t.match(await ask(alice, 'PATCH', message(id, seq), { content: 'x' }), { error: 'not_accepted' });
    for (const user of [alice, bob]) t.match(await ask(user, 'PUT', thumb), { error: 'not_accepted' });
    t.match(await ask(alice, 'DELETE', message(id, seq)), { status: 200 });
  },
);

t.test('[E12] a change of what somebody may not see is only a step for them', async (t) => {
  const { id, owner, member } = await crew(t, { history: 'joining' });
  const { seq } = await say(owner, { conversation_id: id }, 'before');
  const late = await signUp(server);
  await ask(owner, 'POST', `conversations/${id}/members`, { user_ids: [late.user_id] });
  const [m, l] = [await connectSynced(t, server, member), await connectSynced(t, server, late)];
  await ask(owner, 'PATCH', message(id, seq), { content: 'secret' });
  t.match(await m.next('changed'), { seq, content: 'secret', change: 1 });
  t.match(await l.next('changes'), { conversation_id: id, change: 1 });
  const back = await connectSynced(t, server, late);
  t.strictSame(
    [...changesOf(l), ...changesOf(back)].map(({ type }) => type),
    ['changes', 'changes'],
  );
  t.strictSame((await ask(late, 'GET', `conversations/${id}/changes`)).data.messages, []);
  t.match(await ask(late, 'PUT', `${message(id, seq)}/reactions/${encodeURIComponent('👍')}`), {
    error: 'message_not_found',
  });
});

t.test('[E13] an edit has other mentions, and a deletion none', async (t) => {
  const { id, owner, moderator, member } = await crew(t);
  const mentions = async (user: User) => (await ask(user, 'GET', `conversations/${id}`)).data.mentions;
  const { seq } = await say(owner, { conversation_id: id, mentions: [moderator.user_id] }, '@moderator');
  t.strictSame([await mentions(moderator), await mentions(member)], [1, 0]);
  const edited = await ask(owner, 'PATCH', message(id, seq), {
    content: '@member',
    mentions: [member.user_id],
  });
  t.match(edited.data, { mentions: [member.user_id], change: 1 });
  t.strictSame([await mentions(moderator), await mentions(member)], [0, 1]);
  await ask(owner, 'PATCH', message(id, seq), { content: '@all', mention_all: true });
  t.strictSame([await mentions(moderator), await mentions(member)], [1, 1]);
  const { data } = await ask(owner, 'DELETE', message(id, seq));
  t.notOk('mention_all' in data);
  t.strictSame([await mentions(moderator), await mentions(member)], [0, 0]);
});

t.test('[E13] an edit mentions all in a large group only by who may', async (t) => {
  const { id, owner, member } = await crew(t);
  const all = { content: '@all', mention_all: true };
  const mine = await say(member, { conversation_id: id }, 'mine');
  const theirs = await say(owner, { conversation_id: id }, 'theirs');
  await sql`update groups set members = ${GROUPS.mentionAll + 1} where conversation_id = ${id}`;
  t.match(await ask(member, 'PATCH', message(id, mine.seq), all), { status: 403, error: 'moderator_needed' });
  t.match(await ask(owner, 'PATCH', message(id, theirs.seq), all), { data: { mention_all: true } });
});

t.test('[E14] answers to a message are a list, and outlive it without its text', async (t) => {
  const { id, owner, member } = await crew(t);
  const { seq } = await say(owner, { conversation_id: id }, 'question');
  for (const content of ['a', 'b', 'c']) await say(member, { conversation_id: id, reply_to: seq }, content);
  const replies = async (query = '') => (await ask(owner, 'GET', `${message(id, seq)}/replies${query}`)).data;
  t.match(await replies('?limit=2'), {
    messages: [{ content: 'a', reply_to: seq }, { content: 'b' }],
    has_more: true,
  });
  t.match(await replies(`?after=${seq + 2}`), { messages: [{ content: 'c' }], has_more: false });
  await ask(owner, 'DELETE', message(id, seq));
  await ask(member, 'DELETE', message(id, seq + 1));
  t.strictSame(
    (await replies()).messages.map(({ content }: { content: string }) => content),
    ['b', 'c'],
  );
  t.match(await ask(owner, 'GET', message(id, seq)), { data: { content: '', deleted: true } });
});

t.test('[E15] who may write pins for all, and everybody saves for themselves', async (t) => {
  const { id, owner, member } = await crew(t, { posting: 'moderators' });
  const first = await say(owner, { conversation_id: id }, 'first');
  const second = await say(owner, { conversation_id: id }, 'second');
  const m = await connectSynced(t, server, member);
  t.match(await ask(member, 'PUT', `conversations/${id}/pins/${first.seq}`), { error: 'posting_closed' });
  for (const { seq } of [first, second])
    t.match(await ask(owner, 'PUT', `conversations/${id}/pins/${seq}`), { data: { seq, pinned: true } });
  t.match(await m.next('changed'), { seq: first.seq, pinned: true });
  await ask(owner, 'DELETE', `conversations/${id}/pins/${first.seq}`);
  const { pins } = (await ask(member, 'GET', `conversations/${id}/pins`)).data;
  t.match(pins, [{ message: { content: 'second', pinned: true }, user_id: owner.user_id }]);
  t.equal(pins.length, 1);
  for (const { seq } of [first, second, first])
    t.equal((await ask(member, 'PUT', `saved/${id}/${seq}`)).status, 200);
  t.match(await ask(member, 'PUT', `saved/${id}/99`), { error: 'message_not_found' });
  const saved = (await ask(member, 'GET', 'saved?limit=1')).data;
  t.match(saved.saved, [{ message: { content: 'second' } }]);
  t.match((await ask(member, 'GET', `saved?cursor=${saved.next_cursor}`)).data, {
    saved: [{ message: { content: 'first' } }],
    next_cursor: null,
  });
  await ask(member, 'DELETE', `saved/${id}/${second.seq}`);
  t.equal((await ask(member, 'GET', 'saved')).data.saved.length, 1);
  t.strictSame((await ask(owner, 'GET', 'saved')).data.saved, []);
});

t.test('[E15] so many are pinned at most, and what is deleted is not pinned', async (t) => {
  const { id, owner, member } = await crew(t);
  const [first, second, gone] = [
    await say(owner, { conversation_id: id }, 'first'),
    await say(owner, { conversation_id: id }, 'second'),
    await say(owner, { conversation_id: id }, 'gone'),
  ];
  const pin = (seq: number, method = 'PUT') => ask(member, method, `conversations/${id}/pins/${seq}`);
  await pin(gone.seq);
  await ask(owner, 'DELETE', message(id, gone.seq));
  t.strictSame((await ask(member, 'GET', `conversations/${id}/pins`)).data.pins, []);
  for (const method of ['PUT', 'DELETE'])
    t.match(await pin(gone.seq, method), { status: 410, error: 'deleted' }, method);
  await sql`insert into pins (conversation_id, seq, user_id, at)
    select ${id}, 1000 + i, ${owner.user_id}, now() from generate_series(1, ${CHANGES.pins - 1}::int) i`;
  t.equal((await pin(first.seq)).status, 200);
  t.match(await pin(second.seq), { status: 409, error: 'too_many_pins' });
  t.equal((await pin(first.seq)).status, 200, 'again');
  t.equal((await pin(first.seq, 'DELETE')).status, 200);
  t.equal((await pin(second.seq)).status, 200);
});

t.test('[E16] a conversation is written into a file, for who is in it', async (t) => {
  const { id, owner, member } = await crew(t);
  await say(owner, { conversation_id: id }, '<b>bold</b> & "quoted"');
  const gone = await say(member, { conversation_id: id }, 'regretted');
  await ask(member, 'DELETE', message(id, gone.seq));
  await sql`insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select ${id}, ${gone.seq} + i, nextval('message_ids'), ${owner.user_id}, now(), 'x' || i, 'text ' || i from generate_series(1, 500) i`;
  const read = async (format: string) => {
    const answer = await fetch(`${server.url}/api/conversations/${id}/export?format=${format}`, {
      headers: { authorization: `Bearer ${member.token}` },
    });
    return { headers: answer.headers, text: await answer.text() };
  };
  const { text, headers } = await read('json');
  t.equal(headers.get('content-disposition'), `attachment; filename="conversation-${id}.json"`);
  const { messages, conversation } = JSON.parse(text);
  t.match(conversation, { conversation_id: id, group: { title: 'crew' } });
  t.equal(messages.length, gone.seq + 500);
  t.match(messages[gone.seq - 1], { deleted: true, content: '', from_username: member.username });
  const page = await read('html');
  t.match(page.headers.get('content-type'), 'text/html');
  t.match(page.text, '&#60;b&#62;bold&#60;/b&#62; &#38; &#34;quoted&#34;');
  t.notMatch(page.text, /regretted|<script/);
  t.match(page.text, 'text 500');
  const stranger = await signUp(server);
  t.match(await ask(stranger, 'GET', `conversations/${id}/export`), {
    status: 404,
    error: 'conversation_not_found',
  });
});
