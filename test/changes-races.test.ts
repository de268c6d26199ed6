/** Changes of one message at once, at two instances and through both doors; and what is refused before anything is asked. */
import t from 'tap';
import { CHANGES, LIMITS } from '../schemas/limits.js';
import { build, connectSynced, type Server, signUp, type User } from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);

async function ask(user: User, method: string, path: string, body?: object, server: Server = one) {
  const { token } = user;
  const answer = await server.request(method, `/api/${path}`, { token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}

/** Two people, and a message of the first. */
async function pair() {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const sent = await ask(alice, 'POST', 'messages', { to_user_id: bob.user_id, content: 'hello' });
  const { conversation_id: id, seq } = sent.data;
  return { alice, bob, id, seq, place: `conversations/${id}/messages/${seq}` };
}

t.test('[E2] of edits that are made at once on one state one is done, and the others see it', async (t) => {
  const { alice, id, seq, place } = await pair();
  const client = await connectSynced(t, two, alice);
  client.send('edit', { id: 'socket', conversation_id: id, seq, content: 'socket', base: 0 });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      ask(alice, 'PATCH', place, { content: `text ${i}`, base: 0 }, i % 2 === 0 ? one : two),
    ),
  );
  const isAnswer = ({ id: of, type }: { id?: string; type: string }) =>
    of === 'socket' && /changed|error/.test(type);
  await client.until(() => client.frames.some(isAnswer), 'no answer');
  const now = (await ask(alice, 'GET', place)).data;
  t.equal(now.change, 1);
  const answer = client.frames.find(isAnswer);
  const all = [
    ...answers.map(({ status, data }) => ({ done: status === 200, conflict: status === 409, message: data })),
    {
      done: answer.type === 'changed',
      conflict: answer.code === 'conflict',
      message: answer.message ?? answer,
    },
  ];
  t.equal(all.filter(({ done }) => done).length, 1);
  for (const { done, conflict, message } of all) {
    t.ok(done || conflict);
    t.match(message, { content: now.content, change: 1 });
  }
});

t.test('[E3] a deletion among edits and reactions at once is the last word', async (t) => {
  const { alice, bob, place } = await pair();
  const thumb = `${place}/reactions/${encodeURIComponent('👍')}`;
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => {
      const at = i % 2 === 0 ? one : two;
      if (i === 15) return ask(alice, 'DELETE', place, undefined, at);
      if (i % 3 === 0) return ask(alice, 'PATCH', place, { content: `text ${i}` }, at);
      return ask(bob, i % 3 === 1 ? 'PUT' : 'DELETE', thumb, undefined, at);
    }),
  );
  for (const { status, error } of answers) t.ok(status === 200 || error === 'deleted', `${status} ${error}`);
  const { data } = await ask(bob, 'GET', place);
  t.strictSame(
    [data.content, data.deleted, data.reactions, data.edited_at],
    ['', true, undefined, undefined],
  );
  const { change } = answers[15]?.data ?? {};
  t.equal(data.change, change, 'nothing came after it');
});

t.test('[E4] kinds that come at once are not more than there may be', async (t) => {
  const { alice, bob, place } = await pair();
  const answers = await Promise.all(
    Array.from({ length: CHANGES.kinds + 10 }, (_, i) => {
      const emoji = encodeURIComponent(String.fromCodePoint(0x1f600 + i));
      const [user, at] = i % 2 === 0 ? [alice, one] : [bob, two];
      return ask(user, 'PUT', `${place}/reactions/${emoji}`, undefined, at);
    }),
  );
  t.equal(answers.filter(({ error }) => error === 'too_many_reactions').length, 10);
  t.equal((await ask(alice, 'GET', place)).data.reactions.length, CHANGES.kinds);
});

t.test(
  '[E5] a message that has changed any number of times is found past all of that, bit by bit',
  async (t) => {
    const { alice, bob, id } = await pair();
    for (const content of ['second', 'third'])
      await ask(alice, 'POST', 'messages', { conversation_id: id, content });
    const { walk } = CHANGES;
    const places = { 1: 3 * walk, 2: 100, 3: 1.5 * walk };
    await one.app.db.sql`insert into changes (conversation_id, change, seq, at)
    select ${id}, i, case i when ${places[2]}::int then 2 when ${places[3]}::int then 3 else 1 end, now()
    from generate_series(1, ${places[1]}::int) i`;
    for (const [seq, change] of Object.entries(places))
      await one.app.db
        .sql`update messages set change = ${change} where conversation_id = ${id} and seq = ${seq}`;
    const client = await connectSynced(t, two, bob, [{ conversation_id: id, seq: 3 }]);
    t.strictSame(
      client.of('changed').map(({ seq, change, from_change }) => [seq, change, from_change]),
      [
        [2, places[2], 1],
        [3, places[3], places[2] + 1],
        [1, places[1], places[3] + 1],
      ],
    );
    t.strictSame(client.of('changes'), []);
    for (const [i, [seq, change]] of [
      [2, walk],
      [3, 2 * walk],
      [1, 3 * walk],
    ].entries()) {
      const { data } = await ask(bob, 'GET', `conversations/${id}/changes?after=${i * walk}`);
      t.match(data, { messages: [{ seq }], change, has_more: i < 2, changed_at: Number });
      t.equal(data.messages.length, 1);
    }
  },
);

t.test('[B3] an edit is held to what a text is held to, and a reaction to what an emoji is', async (t) => {
  const { alice, id, seq, place } = await pair();
  const client = await connectSynced(t, one, alice);
  const refused = async (fields: object, type = 'edit') => {
    client.send(type, { id: 'bad', conversation_id: id, seq, ...fields });
    return (await client.next('error')).code;
  };
  const contents = {
    content_required: '  ',
    content_too_long: 'x'.repeat(LIMITS.contentBytes + 1),
    content_invalid: 'a\u0000b',
  };
  for (const [code, content] of Object.entries(contents)) {
    t.match(await ask(alice, 'PATCH', place, { content }), { status: 400, error: code });
    t.equal(await refused({ content, base: 0 }), code);
  }
  t.equal(await refused({ emoji: 'x', on: true }, 'react'), 'emoji_invalid');
  t.equal(await refused({ seq: 99 }, 'delete'), 'message_not_found');
  t.match(await ask(alice, 'PATCH', place, { content: 'x', base: -1 }), {
    status: 400,
    error: 'bad_request',
  });
  t.match(await ask(alice, 'PATCH', `conversations/${id}/messages/99`, { content: 'x' }), {
    status: 404,
    error: 'message_not_found',
  });
  t.equal((await ask(alice, 'GET', place)).data.change, undefined);
});

t.test('[L1] changes count as sends do', async (t) => {
  const { alice, id, seq, place } = await pair();
  const limited = await build(t, { LIMITS: 'on', SENDS_PER_SECOND: '1' }, one);
  const answers = [];
  for (let i = 0; i < 12; i++) answers.push(await ask(alice, 'PATCH', place, { content: `${i}` }, limited));
  t.equal(answers[0]?.status, 200);
  t.match(answers.at(-1), { status: 429, error: 'too_many_requests' });
  const client = await connectSynced(t, limited, alice);
  client.send('react', { id: 'r', conversation_id: id, seq, emoji: '👍', on: true });
  t.match(await client.next('error'), { id: 'r', code: 'too_many_requests', retryable: true });
});
