/** Mentions and answers, over HTTP and on sockets, at two instances. */
import t from 'tap';
import { GROUPS } from '../schemas/limits.js';
import { build, type Client, connect, connectSynced, type Server, signUp, type User } from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);
const { sql } = one.app.db;
// The first account.
const admin = await signUp(one);

async function ask(user: User, method: string, path: string, body?: object, server: Server = one) {
  const { token } = user;
  const answer = await server.request(method, `/api/${path}`, { token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}
const say = (user: User, body: object, server?: Server) => ask(user, 'POST', 'messages', body, server);
const conversation = async (user: User, id: number) => (await ask(user, 'GET', `conversations/${id}`)).data;
const counts = async (user: User, id: number) => {
  const { unread, mentions } = await conversation(user, id);
  return [unread, mentions];
};
const last = async (user: User, id: number) =>
  (await ask(user, 'GET', `conversations/${id}/messages?limit=1`)).data.messages[0];

/** A group of some people, the first of whom owns it. */
async function group(n: number, body: object = {}) {
  const people = await Promise.all(Array.from({ length: n }, () => signUp(one)));
  const [owner, ...others] = people;
  if (owner === undefined) throw new Error('nobody');
  const user_ids = others.map(({ user_id }) => user_id);
  const { data } = await ask(owner, 'POST', 'conversations', { title: 'crew', user_ids, ...body });
  return { id: data.conversation_id as number, people: people as [User, User, User], end: data.last_seq };
}
/** What a frame or a message has beside its text. */
const beside = ({ mentions, mention_all, reply_to }: Record<string, unknown>) => ({
  ...(mentions !== undefined && { mentions }),
  ...(mention_all !== undefined && { mention_all }),
  ...(reply_to !== undefined && { reply_to }),
});
const answerTo = (client: Client, id: string) =>
  client
    .until(
      () => client.frames.some((frame) => frame.id === id && frame.type !== 'chat'),
      `no answer to ${id}`,
    )
    .then(() => client.frames.find((frame) => frame.id === id && frame.type !== 'chat'));

t.test(
  '[G17] whom a message mentions is beside its text on every wire, and counts for members',
  async (t) => {
    const { id, people } = await group(3);
    const [alice, bob, carol] = people;
    const stranger = await signUp(one);
    const [a, other, b] = [
      await connectSynced(t, one, alice),
      await connectSynced(t, two, alice),
      await connectSynced(t, two, bob),
    ];
    const plain = await connect(t, one, bob);
    const named = [bob, carol, alice, stranger].map(({ user_id }) => user_id).sort((x, y) => x - y);
    const said = [...named.toReversed(), bob.user_id];
    a.send('chat', { id: 'hey', conversation_id: id, content: '@bob and @carol', mentions: said });
    const frame = await b.next('chat');
    t.strictSame(beside(frame), { mentions: named });
    t.notHas(frame, { id: 'hey' });
    t.match(await other.next('chat'), { id: 'hey', mentions: named });
    t.strictSame(beside(await answerTo(a, 'hey')), {}, 'who has sent it knows');
    t.strictSame(beside(await last(carol, id)), { mentions: named });
    t.strictSame(beside((await conversation(carol, id)).last_message), { mentions: named });
    const late = await connectSynced(t, one, carol);
    t.strictSame(late.of('chat').map(beside), [{ mentions: named }], 'from the log');
    t.strictSame(
      [await counts(alice, id), await counts(bob, id), await counts(carol, id)],
      [
        [0, 0],
        [1, 1],
        [1, 1],
      ],
    );
    t.equal(
      (await say(bob, { conversation_id: id, content: 'by HTTP', mentions: [alice.user_id] })).status,
      200,
    );
    t.strictSame(beside(await a.next('chat')), { mentions: [alice.user_id] });
    t.strictSame(await counts(alice, id), [1, 1]);
    await say(bob, { conversation_id: id, content: 'nobody', mentions: [] });
    t.strictSame(beside(await a.next('chat')), {});
    t.strictSame(await counts(alice, id), [2, 1], 'counted apart');

    await ask(stranger, 'GET', `conversations/${id}`);
    await ask(alice, 'POST', `conversations/${id}/members`, { user_ids: [stranger.user_id] });
    t.strictSame(await counts(stranger, id), [0, 0], 'who was no member then isn’t mentioned');
    await plain.barrier();
    t.strictSame(
      plain.frames.filter(({ type }) => type !== 'online_list'),
      [],
      'a plain client sees nothing',
    );
  },
);

t.test('[G17] what can’t be a mention is refused', async (t) => {
  const { id, people } = await group(2);
  const [alice, bob] = people;
  const a = await connectSynced(t, one, alice);
  const many = Array.from({ length: GROUPS.mentions + 1 }, (_, i) => i + 1);
  for (const [i, wrong] of [
    { mentions: many },
    { mentions: [0] },
    { mentions: [`${bob.user_id}`] },
    { mentions: bob.user_id },
    { mention_all: false },
    { reply_to: 0 },
  ].entries()) {
    const body = { conversation_id: id, content: 'no', ...wrong };
    a.send('chat', { id: `no-${i}`, ...body });
    t.match(await answerTo(a, `no-${i}`), { code: 'bad_request', retryable: false });
    t.match(await say(alice, body), { status: 400, error: 'bad_request' });
  }
  t.equal((await say(alice, { conversation_id: id, content: 'yes', mentions: many.slice(1) })).status, 200);
});

t.test('[G17] between two nobody is mentioned', async (t) => {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const b = await connectSynced(t, two, bob);
  const body = { id: 'same', to_user_id: bob.user_id, content: '@bob' };
  const { data } = await say(alice, { ...body, mentions: [bob.user_id], mention_all: true });
  t.strictSame(beside(await b.next('chat')), {});
  const again = {
    id: 'same',
    conversation_id: data.conversation_id,
    content: '@bob',
    mentions: [alice.user_id],
  };
  for (const server of [one, two])
    for (const said of [body, again]) t.match(await say(alice, said, server), { status: 200, data });
  t.strictSame(await counts(bob, data.conversation_id), [1, 0]);
  const [row] = await sql`select extra from messages where conversation_id = ${data.conversation_id}`;
  t.strictSame({ ...row }, { extra: null });
});

t.test('[G17] each message of a batch has its own', async (t) => {
  const { id, people, end } = await group(3);
  const [alice, bob, carol] = people;
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
  const n = 60;
  const { repaired } = two.app.hub.counts;
  const wanted = Array.from({ length: n }, (_, i) =>
    beside({
      mentions: i % 3 === 0 ? [carol.user_id] : undefined,
      mention_all: i % 5 === 0 ? true : undefined,
      reply_to: i % 4 === 0 ? end : undefined,
    }),
  );
  for (const [i, said] of wanted.entries()) {
    a.send('chat', { conversation_id: id, content: `${i}`, ...said });
    // Others in the same batches.
    b.send('chat', {
      to_user_id: alice.user_id,
      content: `"quotes" \\ ${i}`,
      ...(i % 2 === 0 && { mentions: [1] }),
    });
  }
  const own = (client: Client) => client.of('chat').filter(({ conversation_id }) => conversation_id === id);
  await b.until(() => own(b).length === n, 'not all came');
  t.strictSame(own(b).map(beside), wanted);
  t.equal(two.app.hub.counts.repaired, repaired, 'by way of the bus');
  const { data } = await ask(carol, 'GET', `conversations/${id}/messages?limit=${n}`);
  t.strictSame(data.messages.map(beside), wanted);
  const mentioned = wanted.filter(({ mentions, mention_all }) => mentions || mention_all).length;
  t.strictSame(await counts(carol, id), [n, mentioned]);
  t.strictSame(await counts(bob, id), [n, wanted.filter(({ mention_all }) => mention_all).length]);
});

t.test('[G18] all are mentioned by who may write, in many by moderators and owners alone', async (t) => {
  const { id, people } = await group(3);
  const [alice, bob, carol] = people;
  const [b, c] = [await connectSynced(t, one, bob), await connectSynced(t, two, carol)];
  b.send('chat', { id: 'few', conversation_id: id, content: '@all', mention_all: true });
  t.match(await c.next('chat'), { mention_all: true });
  t.strictSame(
    [await counts(alice, id), await counts(bob, id)],
    [
      [1, 1],
      [0, 0],
    ],
  );
  // As many as there may be, and one more.
  const more = (n: number) =>
    sql`select enter_group_1(${id}, array(select -g from generate_series(1, ${n}) g), 0::smallint, 1, true)`;
  await more(GROUPS.mentionAll - 3);
  t.equal((await say(bob, { conversation_id: id, content: 'so many', mention_all: true })).status, 200);
  await sql`select enter_group_1(${id}, array[-100000::bigint], 0::smallint, 1, true)`;
  const { last_seq } = await conversation(bob, id);
  b.send('chat', { id: 'many', conversation_id: id, content: 'too many', mention_all: true });
  b.send('chat', { id: 'other', conversation_id: id, content: 'of the same batch' });
  t.match(await answerTo(b, 'many'), { type: 'error', code: 'moderator_needed', retryable: false });
  t.match(await answerTo(b, 'other'), { type: 'sent', seq: last_seq + 1 });
  const all = { conversation_id: id, content: 'all', mention_all: true };
  t.match(await say(bob, all, two), { status: 403, error: 'moderator_needed' });
  t.match(await say(alice, all), { status: 200, data: { seq: last_seq + 2 } });
  await ask(alice, 'PUT', `conversations/${id}/members/${bob.user_id}`, { role: 'moderator' });
  const stored = await say(bob, { ...all, id: 'mine' });
  t.equal(stored.status, 200);
  await ask(alice, 'PUT', `conversations/${id}/members/${bob.user_id}`, { role: 'member' });
  for (const server of [one, two])
    t.strictSame(
      await say(bob, { ...all, id: 'mine' }, server),
      stored,
      '[G20] what is stored is answered as ever',
    );
});

t.test('[G19] an answer names a message that its sender may see', async (t) => {
  const { id, people } = await group(2, { history: 'joining' });
  const [alice, bob] = people;
  const [carol, dave] = [await signUp(one), await signUp(one)];
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
  const { data: first } = await say(alice, { conversation_id: id, content: 'first' });
  b.send('chat', { id: 're', conversation_id: id, content: 'an answer', reply_to: first.seq });
  await a.until(() => a.of('chat').length === 2, 'no answer');
  t.strictSame(a.of('chat').map(beside), [{}, { reply_to: first.seq }]);
  t.strictSame(beside(await last(alice, id)), { reply_to: first.seq });
  t.strictSame(beside((await conversation(alice, id)).last_message), { reply_to: first.seq });

  const { last_seq } = await conversation(alice, id);
  const refused = async (
    user: User,
    reply_to: number,
    why = 'message_not_found',
    place: object = { conversation_id: id },
  ) =>
    t.match(
      await say(user, { ...place, content: 'no', reply_to }),
      { status: 404, error: why },
      `${user.username} to ${reply_to}`,
    );
  await refused(alice, last_seq + 1);
  b.send('chat', { id: 'past', conversation_id: id, content: 'no', reply_to: Number.MAX_SAFE_INTEGER });
  t.match(await answerTo(b, 'past'), { code: 'message_not_found', retryable: false });
  await refused(carol, first.seq, 'conversation_not_found');
  t.equal((await conversation(alice, id)).last_seq, last_seq, 'nothing is stored');

  await ask(alice, 'POST', `conversations/${id}/members`, { user_ids: [carol.user_id] });
  await refused(carol, first.seq);
  t.equal((await say(carol, { conversation_id: id, content: 'hello', reply_to: last_seq + 1 })).status, 200);
  // Who returns doesn't see what came between.
  await ask(bob, 'DELETE', `conversations/${id}/members/${bob.user_id}`);
  const { data: between } = await say(alice, { conversation_id: id, content: 'between' });
  await ask(alice, 'POST', `conversations/${id}/members`, { user_ids: [bob.user_id] });
  await refused(bob, between.seq);
  t.equal((await say(bob, { conversation_id: id, content: 'again', reply_to: first.seq })).status, 200);

  await refused(alice, 1, 'message_not_found', { to_user_id: dave.user_id });
  const { data: hello } = await say(alice, { to_user_id: dave.user_id, content: 'hello' });
  const d = await connectSynced(t, one, dave);
  t.equal((await say(dave, { to_user_id: alice.user_id, content: 'you', reply_to: 1 })).status, 200);
  t.strictSame(beside(await last(alice, hello.conversation_id)), { reply_to: 1 });
  t.strictSame(beside(await d.next('chat')), { reply_to: 1 });
  await sql`update conversations set first_seq = 2 where conversation_id = ${hello.conversation_id}`;
  await refused(alice, 1, 'message_not_found', { to_user_id: dave.user_id });
});

t.test('[G20] the same id with something else beside the text is another message', async (t) => {
  const { id, people, end } = await group(3);
  const [alice, bob, carol] = people;
  const a = await connectSynced(t, one, alice);
  const body = { id: 'once', conversation_id: id, content: 'hello' };
  const pair = [bob.user_id, carol.user_id];
  const { data } = await say(alice, { ...body, mentions: pair, reply_to: end });
  for (const server of [one, two]) {
    const same = await say(alice, { ...body, mentions: pair.toReversed(), reply_to: end }, server);
    t.match(same, { status: 200, data });
    for (const other of [
      {},
      { mentions: pair },
      { mentions: [bob.user_id], reply_to: end },
      { mentions: pair, reply_to: end - 1 },
      { mentions: pair, reply_to: end, mention_all: true },
      { mention_all: true, reply_to: end },
    ])
      t.match(await say(alice, { ...body, ...other }, server), { status: 409, error: 'id_reused' });
  }
  // Twice in one batch.
  a.send('chat', { id: 'twice', conversation_id: id, content: 'x', mentions: pair });
  a.send('chat', { id: 'twice', conversation_id: id, content: 'x', mentions: pair });
  a.send('chat', { id: 'twice', conversation_id: id, content: 'x' });
  await a.until(() => a.frames.filter((frame) => frame.id === 'twice').length === 3, 'not all answered');
  const answers = a.frames.filter((frame) => frame.id === 'twice').map(({ type, code }) => code ?? type);
  t.strictSame(answers.sort(), ['id_reused', 'sent', 'sent']);
  t.equal((await conversation(alice, id)).last_seq, data.seq + 1);
});

t.test(
  'a server of the version before stores beside this one, and deletes what this one keeps',
  async (t) => {
    const { id, people } = await group(2);
    const [alice, bob] = people;
    const b = await connectSynced(t, one, bob);
    await sql`select * from append_3('{}', '{}', array[${id}::bigint], '{-1}', '{1}', '{1}', '{1}', array[${alice.user_id}::bigint],
    '{old}', '{"from before"}', false)`;
    t.match(await b.next('chat'), { content: 'from before' });
    await say(alice, { conversation_id: id, content: 'hey', mentions: [bob.user_id] });
    await ask(bob, 'PATCH', `conversations/${id}/settings`, { pinned: true });
    await ask(bob, 'PATCH', 'me', { muted_until: 5 });
    await sql`select delete_user_2(${bob.user_id}, null, false)`;
    const left = await sql`
    select (select count(*)::int from settings where user_id = ${bob.user_id}) as settings,
      (select count(*)::int from mentions where user_id = ${bob.user_id}) as mentions,
      (select muted_until from users where user_id = ${bob.user_id}) as muted`;
    t.strictSame({ ...left[0] }, { settings: 0, mentions: 0, muted: null });
  },
);

t.test('[G4] what is beside texts goes with them', async (t) => {
  const { id, people } = await group(2);
  const [bob, gone] = people;
  const mention = { conversation_id: id, mentions: [bob.user_id] };
  await say(gone, { ...mention, content: '@bob', reply_to: 1 });
  await say(gone, { conversation_id: id, content: '@all', mention_all: true });
  await say(bob, { ...mention, content: '@myself' });
  const stored = async () => {
    const [row] = await sql`
      select count(extra)::int as extras, count(reply_to)::int as answers,
        (select count(*)::int from mentions where conversation_id = ${id}) as mentions
      from messages where conversation_id = ${id} and kind is null`;
    return { counted: (await conversation(bob, id)).mentions, ...row };
  };
  t.strictSame(await stored(), { counted: 2, extras: 3, answers: 1, mentions: 2 });
  t.equal((await ask(admin, 'DELETE', `admin/users/${gone.user_id}?messages=true`)).status, 200);
  t.strictSame(await stored(), { counted: 0, extras: 1, answers: 0, mentions: 0 });
});
