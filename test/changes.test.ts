/** Messages that change, over HTTP and on sockets, at two instances. */
import t, { type Test } from 'tap';
import { CHANGES } from '../schemas/limits.js';
import { build, connect, connectSynced, eventually, type Server, signUp, type User } from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);

/** What somebody asks for: the status, and the data or the name of the error. */
async function ask(user: User, method: string, path: string, body?: object, server: Server = one) {
  const { token } = user;
  const answer = await server.request(method, `/api/${path}`, { token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}
const say = async (from: User, to: User, content: string) =>
  (await ask(from, 'POST', 'messages', { to_user_id: to.user_id, content })).data;
const history = async (user: User, id: number) =>
  (await ask(user, 'GET', `conversations/${id}/messages`)).data.messages;

/** Two people, a message between them, and a client of each, the second's at the other instance. */
async function pair(t: Test) {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const { conversation_id: id, seq, created_at } = await say(alice, bob, 'hello');
  const at = Date.parse(created_at);
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
  return { alice, bob, id, seq, at, a, b };
}

t.test('[E1] an edit is told to who made it and to all others, and stays', async (t) => {
  const { alice, bob, id, seq, a, b } = await pair(t);
  a.send('edit', { id: 'mine', conversation_id: id, seq, content: ' hello there ', base: 0 });
  const answer = await a.next('changed');
  const { msg_id, created_at, edited_at, at } = answer;
  t.strictSame(answer, {
    type: 'changed',
    id: 'mine',
    conversation_id: id,
    msg_id,
    seq,
    from_user_id: alice.user_id,
    content: 'hello there',
    created_at,
    change: 1,
    edited_at,
    at,
  });
  t.equal(at, Date.parse(edited_at));
  const { id: _id, ...rest } = answer;
  t.strictSame(await b.next('changed'), rest);
  for (const user of [alice, bob])
    t.match(await history(user, id), [{ seq, content: 'hello there', change: 1, edited_at }]);
  const [listed] = (await ask(bob, 'GET', 'conversations')).data.conversations;
  t.match(listed, {
    last_message: { content: 'hello there', change: 1, edited_at },
    change: 1,
    changed_at: at,
  });
  b.send('edit', { id: 'not-mine', conversation_id: id, seq, content: 'x', base: 1 });
  t.match(await b.next('error'), { id: 'not-mine', code: 'not_author', retryable: false });
});

t.test(
  '[E2] an edit that was made on another state is refused with the present one, but for reactions',
  async (t) => {
    const { alice, bob, id, seq, a, b } = await pair(t);
    b.send('react', { id: 'r', conversation_id: id, seq, emoji: '👍', on: true });
    t.match(await b.next('changed'), {
      id: 'r',
      change: 1,
      reactions: [{ emoji: '👍', count: 1, users: [bob.user_id], mine: true }],
    });
    a.send('edit', { id: 'first', conversation_id: id, seq, content: 'one', base: 0 });
    a.send('edit', { id: 'second', conversation_id: id, seq, content: 'two', base: 1 });
    await a.until(() => a.of('changed').some((frame) => frame.id === 'first'), 'no answer');
    const refused = await a.next('error');
    t.match(refused, {
      id: 'second',
      code: 'conflict',
      retryable: false,
      message: { seq, content: 'one', change: 2 },
    });
    t.match(await ask(alice, 'PATCH', `conversations/${id}/messages/${seq}`, { content: 'two', base: 1 }), {
      status: 409,
      error: 'conflict',
      data: { content: 'one', change: 2 },
    });
    // The same text again is no other state: whoever didn't hear the answer says it again.
    a.send('edit', { id: 'again', conversation_id: id, seq, content: 'one', base: 0 });
    await a.until(
      () => a.of('changed').some((frame) => frame.id === 'again' && frame.change === 2),
      'no answer',
    );
    t.match(await ask(alice, 'PATCH', `conversations/${id}/messages/${seq}`, { content: 'two' }), {
      status: 200,
      data: { content: 'two', change: 3 },
    });
  },
);

t.test('[E3] a deletion empties a message, takes all that hangs on it along, and wins', async (t) => {
  const { alice, bob, id, seq, a, b } = await pair(t);
  b.send('react', { conversation_id: id, seq, emoji: '👍', on: true });
  await b.next('changed');
  t.equal((await ask(bob, 'PUT', `conversations/${id}/pins/${seq}`)).status, 200);
  t.equal((await ask(bob, 'PUT', `saved/${id}/${seq}`)).status, 200);
  b.send('delete', { id: 'not-mine', conversation_id: id, seq });
  t.match(await b.next('error'), { id: 'not-mine', code: 'not_author' });
  a.send('delete', { id: 'gone', conversation_id: id, seq });
  await a.until(() => a.of('changed').some((frame) => frame.id === 'gone'), 'no answer');
  await b.until(() => b.of('changed').some((frame) => frame.deleted), 'not told');
  for (const client of [a, b]) {
    const last = client.of('changed').find((frame) => frame.deleted);
    t.strictSame(
      [last.content, last.change, 'reactions' in last, 'pinned' in last, 'edited_at' in last],
      ['', 3, false, false, false],
    );
  }
  const [shown] = await history(bob, id);
  t.match(shown, { seq, content: '', deleted: true, change: 3 });
  t.notOk('reactions' in shown);
  t.strictSame((await ask(bob, 'GET', `conversations/${id}/pins`)).data.pins, []);
  t.strictSame((await ask(bob, 'GET', 'saved')).data.saved, []);
  t.match((await ask(bob, 'GET', 'conversations')).data.conversations, [
    { unread: 0, last_message: { content: '', deleted: true } },
  ]);
  t.match(await ask(alice, 'PATCH', `conversations/${id}/messages/${seq}`, { content: 'x' }), {
    status: 410,
    error: 'deleted',
  });
  t.match(
    await ask(bob, 'PUT', `conversations/${id}/messages/${seq}/reactions/${encodeURIComponent('👍')}`),
    { status: 410, error: 'deleted' },
  );
  t.match(
    await ask(alice, 'DELETE', `conversations/${id}/messages/${seq}`),
    { status: 200, data: { change: 3 } },
    'again',
  );
  const tables = await one.app.db.sql`
    select (select count(*) from reactions where conversation_id = ${id}) as reactions, (select count(*) from messages where content = 'hello' and conversation_id = ${id}) as texts`;
  t.strictSame(tables[0], { reactions: 0, texts: 0 });
});

t.test('[E4] a reaction is one emoji of somebody, of so many kinds at most', async (t) => {
  const { alice, bob, id, seq, a } = await pair(t);
  const react = (user: User, emoji: string, method = 'PUT') =>
    ask(user, method, `conversations/${id}/messages/${seq}/reactions/${encodeURIComponent(emoji)}`);
  for (const emoji of ['x', '👍👍', '', '☝🏿 ', 'é'])
    if (emoji !== '') t.match(await react(alice, emoji), { status: 400, error: 'emoji_invalid' }, emoji);
  const family = '👨‍👩‍👧‍👦';
  t.match((await react(alice, family)).data, {
    change: 1,
    reactions: [{ emoji: family, count: 1, mine: true }],
  });
  t.match((await react(bob, family)).data, {
    change: 2,
    reactions: [{ count: 2, users: [alice.user_id, bob.user_id], mine: true }],
  });
  t.match((await react(bob, family)).data, { change: 2 }, 'once');
  t.match((await react(bob, family, 'DELETE')).data, {
    change: 3,
    reactions: [{ count: 1, users: [alice.user_id] }],
  });
  t.match((await react(bob, family, 'DELETE')).data, { change: 3 });
  const kinds = Array.from({ length: CHANGES.kinds + 1 }, (_, i) => String.fromCodePoint(0x1f600 + i));
  const answers = await Promise.all(kinds.map((emoji) => react(alice, emoji)));
  t.strictSame(answers.filter(({ error }) => error === 'too_many_reactions').length, 2);
  t.match(await react(bob, family), { status: 200 }, 'a kind that is there');
  a.send('react', { id: 'x', conversation_id: id, seq: 99, emoji: family, on: true });
  t.match(await a.next('error'), { id: 'x', code: 'message_not_found' });
  const who = async (query: string) =>
    (await ask(bob, 'GET', `conversations/${id}/messages/${seq}/reactions${query}`)).data;
  const { reactions, next_cursor } = await who(`?emoji=${encodeURIComponent(family)}&limit=1`);
  t.match(reactions, [{ user: { user_id: alice.user_id }, emoji: family }]);
  const rest = await who(`?emoji=${encodeURIComponent(family)}&cursor=${encodeURIComponent(next_cursor)}`);
  t.match(rest, { reactions: [{ user: { user_id: bob.user_id } }], next_cursor: null });
});

t.test('[E5] who was away is told what has changed of what they hold, each once, as it is now', async (t) => {
  const { alice, bob, id, seq, at, a, b } = await pair(t);
  await b.close();
  for (const content of ['second', 'third']) await say(alice, bob, content);
  await a.until(() => a.of('chat').some((frame) => frame.content === 'third'), 'not there');
  const edit = (place: number, content: string) =>
    ask(alice, 'PATCH', `conversations/${id}/messages/${place}`, { content });
  await edit(seq, 'a');
  await edit(2, 'b');
  await edit(seq, 'c');
  await ask(alice, 'DELETE', `conversations/${id}/messages/3`);
  const back = await connectSynced(t, two, bob, [{ conversation_id: id, seq: 1, at }]);
  const told = back.frames
    .filter(({ type }) => /^(chat|changed|changes)$/.test(type))
    .map(({ type, seq: place, content, change, from_change, deleted }) => [
      type,
      place,
      content,
      change,
      from_change,
      deleted,
    ]);
  t.strictSame(told, [
    ['changed', 1, 'c', 3, 1, undefined],
    ['changes', undefined, undefined, 4, undefined, undefined],
    ['chat', 2, 'b', 2, undefined, undefined],
    ['chat', 3, '', 4, undefined, true],
  ]);
  const [{ at: changed_at }] = back.of('changes');
  const created = Date.parse(back.of('chat')[1].created_at);
  const again = await connectSynced(t, one, bob, [
    { conversation_id: id, seq: 3, at: created, change: 4, changed_at },
  ]);
  t.strictSame(
    again.frames.filter(({ type }) => /^(chat|changed|changes|reset)$/.test(type)),
    [],
    'nothing new',
  );
  const { data } = await ask(bob, 'GET', `conversations/${id}/changes?after=1&limit=2`);
  t.match(data, {
    messages: [
      { seq: 2, change: 2 },
      { seq: 1, change: 3 },
    ],
    change: 3,
    has_more: true,
  });
  t.match((await ask(bob, 'GET', `conversations/${id}/changes?after=3`)).data, {
    messages: [{ seq: 3, deleted: true }],
    change: 4,
    changed_at,
    has_more: false,
  });
});

t.test('[E6] a change position of another history is answered with reset', async (t) => {
  const { alice, bob, id, seq, at, b } = await pair(t);
  await ask(alice, 'PATCH', `conversations/${id}/messages/${seq}`, { content: 'x' });
  const { at: changed_at } = await b.next('changed');
  for (const wrong of [
    { change: 1, changed_at: changed_at - 1 },
    { change: 2, changed_at },
  ]) {
    const client = await connectSynced(t, one, bob, [{ conversation_id: id, seq, at, ...wrong }]);
    t.match(client.of('reset'), [{ conversation_id: id, seq, at, change: 1, changed_at }]);
    t.strictSame(client.of('changed'), []);
  }
  const believed = await connectSynced(t, one, bob, [{ conversation_id: id, seq, at, change: 1 }]);
  t.strictSame([believed.of('reset'), believed.of('changed')], [[], []]);
});

t.test('[E7] a burst is told together: at most so many frames a second and message', async (t) => {
  const { alice, bob, id, seq, b } = await pair(t);
  const many = await Promise.all(Array.from({ length: 3 }, () => connectSynced(t, one, alice)));
  const kinds = Array.from({ length: 20 }, (_, i) => String.fromCodePoint(0x1f600 + i));
  const began = performance.now();
  for (const [i, emoji] of [...kinds, ...kinds, ...kinds].entries())
    for (const on of [true, false, true])
      many[i % 3]?.send('react', { id: `${i}-${on}`, conversation_id: id, seq, emoji, on });
  const end = async () => (await ask(bob, 'GET', `conversations/${id}/messages/${seq}`)).data.change;
  for (const client of many) {
    await client.barrier();
    await client.until(
      () => client.of('changed').filter((frame) => frame.id !== undefined).length >= 60,
      'no answer',
    );
  }
  const last = await end();
  await b.until(() => b.of('changed').at(-1)?.change === last, 'not told');
  const told = b.of('changed');
  const seconds = (performance.now() - began) / 1000;
  t.ok(told.length <= 2 + 4 * seconds, `${told.length} frames in ${seconds} s`);
  t.ok(last >= 60);
  let at = 0;
  for (const { change, from_change = change } of told) {
    t.equal(from_change, at + 1);
    at = change;
  }
  for (const client of many) {
    await client.until(() => client.of('changed').some(({ change }) => change === last), 'not told');
    const own = client.of('changed').filter((frame) => frame.id === undefined);
    t.ok(own.length <= 2 + 4 * seconds);
  }
});

t.test(
  '[E8] a plain client is given no empty text: what was deleted counts as taken, what was edited is as it is now',
  async (t) => {
    const [alice, bob] = [await signUp(one), await signUp(one)];
    const first = await connect(t, one, bob);
    await first.close();
    const texts = ['a', 'b', 'c', 'd'];
    for (const content of texts) await say(alice, bob, content);
    const [listed] = (await ask(alice, 'GET', 'conversations')).data.conversations;
    const id = listed.conversation_id;
    for (const seq of [1, 4]) await ask(alice, 'DELETE', `conversations/${id}/messages/${seq}`);
    await ask(alice, 'PATCH', `conversations/${id}/messages/2`, { content: 'B' });
    const client = await connect(t, two, bob);
    client.send('get_offline');
    const { data } = await client.next('offline_list');
    t.strictSame(
      data.map(({ content }: { content: string }) => content),
      ['B', 'c'],
    );
    const waits = () => one.app.db.sql`select from plain_gaps where user_id = ${bob.user_id}`;
    await eventually(async () => (await waits()).length === 0, 'something still waits');
    client.send('get_offline');
    t.strictSame((await client.next('offline_list')).data, []);
    t.strictSame(client.of('changed'), []);
  },
);
