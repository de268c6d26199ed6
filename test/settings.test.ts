/** What users set for themselves, and what is unread for them, at two instances. */
import t from 'tap';
import { OWN } from '../schemas/limits.js';
import {
  build,
  type Client,
  connect,
  connectSynced,
  REAL,
  type Server,
  signUp,
  type User,
} from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);
const { sql } = one.app.db;
const FOR_EVER = 253_402_300_799_000;
const DEFAULTS = { level: 'all', muted_until: null, pinned: false, hidden: false, unread_from: null };

async function ask(user: User, method: string, path: string, body?: object, server: Server = one) {
  const { token } = user;
  const answer = await server.request(method, `/api/${path}`, { token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}
const set = (user: User, id: number, body: object, server?: Server) =>
  ask(user, 'PATCH', `conversations/${id}/settings`, body, server);
const say = async (user: User, id: number, more: object = {}) =>
  (await ask(user, 'POST', 'messages', { conversation_id: id, content: 'x', ...more })).data.seq as number;
const conversation = async (user: User, id: number) => (await ask(user, 'GET', `conversations/${id}`)).data;
const counts = async (user: User, id: number) => {
  const { unread, mentions } = await conversation(user, id);
  return [unread, mentions];
};
const listed = async (user: User, query = ''): Promise<number[]> =>
  (await ask(user, 'GET', `conversations${query}`)).data.conversations.map(
    (row: { conversation_id: number }) => row.conversation_id,
  );
/** Two people, and a conversation of theirs. */
async function pair() {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const { data } = await ask(alice, 'POST', 'messages', { to_user_id: bob.user_id, content: 'hello' });
  return { alice, bob, id: data.conversation_id as number };
}
/** A group of three, the first of whom owns it. */
async function group(body: object = {}) {
  const [alice, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
  const user_ids = [bob.user_id, carol.user_id];
  const { data } = await ask(alice, 'POST', 'conversations', { title: 'crew', user_ids, ...body });
  return { alice, bob, carol, id: data.conversation_id as number };
}
const leave = (user: User, id: number) => ask(user, 'DELETE', `conversations/${id}/members/${user.user_id}`);
const add = (actor: User, id: number, user: User) =>
  ask(actor, 'POST', `conversations/${id}/members`, { user_ids: [user.user_id] });

t.test('[G21] what somebody sets of a conversation is theirs alone, and stays', async (t) => {
  const { alice, bob, id } = await pair();
  t.strictSame((await conversation(bob, id)).settings, DEFAULTS);
  const wanted: Record<string, unknown> = { ...DEFAULTS };
  for (const [name, value] of [
    ['level', 'mentions'],
    ['muted_until', FOR_EVER],
    ['pinned', true],
    ['hidden', true],
    ['unread_from', 1],
    ['level', 'nothing'],
    ['muted_until', 0],
    ['muted_until', null],
    ['hidden', false],
    ['unread_from', null],
    ['pinned', false],
  ] as const) {
    wanted[name] = value;
    const { status, data } = await set(bob, id, { [name]: value });
    t.strictSame([status, data.settings], [200, wanted], `${name}: ${value}`);
    t.strictSame(data, await conversation(bob, id));
  }
  t.strictSame((await set(bob, id, {})).data.settings, wanted);
  t.strictSame((await conversation(alice, id)).settings, DEFAULTS);
  const all = { level: 'all', muted_until: 7, pinned: true, hidden: true, unread_from: 1 };
  t.strictSame((await set(bob, id, all)).data.settings, all, 'several at once');
  const { id: other, bob: third } = await group();
  t.strictSame((await set(third, other, all)).data.settings, all, 'in a group');
});

t.test('[G21] each refusal has its name, and changes nothing', async (t) => {
  const { alice, bob, id } = await pair();
  const stranger = await signUp(one);
  t.match(await set(stranger, id, { pinned: true }), { status: 404, error: 'conversation_not_found' });
  t.match(await set(alice, 99_999_999, { pinned: true }), { status: 404, error: 'conversation_not_found' });
  for (const wrong of [
    { level: 'some' },
    { muted_until: -1 },
    { muted_until: FOR_EVER + 1 },
    { muted_until: '5' },
    { pinned: null },
    { hidden: 1 },
    { unread_from: 0 },
  ])
    t.match(await set(bob, id, { pinned: true, ...wrong }), { status: 400, error: 'bad_request' });
  t.match(await set(bob, id, { pinned: true, unread_from: 2 }), { status: 404, error: 'message_not_found' });
  t.strictSame((await conversation(bob, id)).settings, DEFAULTS);
  const answer = await one.request('PATCH', `/api/conversations/${id}/settings`, { body: { pinned: true } });
  t.match(answer, { status: 401, body: { error: 'missing_token' } });
  t.equal((await one.request('PATCH', '/api/me', { body: {} })).status, 401);
});

t.test('[G21] so many are pinned at most, whoever races', async (t) => {
  const bob = await signUp(one);
  const made: number[] = [];
  while (made.length <= OWN.pinned)
    made.push((await ask(bob, 'POST', 'conversations', { title: 'one of many' })).data.conversation_id);
  for (const place of made.slice(0, -3)) t.equal((await set(bob, place, { pinned: true })).status, 200);
  const answers = await Promise.all(
    made.slice(-3).map((place, i) => set(bob, place, { pinned: true }, i % 2 === 0 ? one : two)),
  );
  t.strictSame(answers.map(({ error }) => error ?? 'done').sort(), ['done', 'done', 'too_many_pinned']);
  const left = made.filter((_, i) => i < OWN.pinned - 2 || answers[i - OWN.pinned + 2]?.error === undefined);
  const pinned = await listed(bob, '?pinned=true&limit=100');
  t.strictSame(
    pinned.sort((x, y) => x - y),
    left.sort((x, y) => x - y),
  );
  const [first, last] = [left[0] ?? 0, made.find((place) => !left.includes(place)) ?? 0];
  t.equal((await set(bob, first, { pinned: true, level: 'nothing' })).status, 200, 'what is pinned stays so');
  await set(bob, first, { pinned: false });
  t.equal((await set(bob, last, { pinned: true })).status, 200);
});

// The embedded database has one connection.
if (REAL)
  t.test('[G21] where somebody holds the user’s row it is to be tried again', async (t) => {
    const { bob, id } = await pair();
    await sql.begin(async (tx) => {
      await tx`select from users where user_id = ${bob.user_id} for update`;
      const [answer, muted] = await Promise.all([
        set(bob, id, { pinned: true }),
        ask(bob, 'PATCH', 'me', { muted_until: 5 }),
      ]);
      for (const refused of [answer, muted]) t.match(refused, { status: 503, error: 'overloaded' });
    });
    t.equal((await set(bob, id, { pinned: true })).status, 200);
  });

t.test('[G22] what is hidden is in no list until something newer comes', async (t) => {
  const { alice, bob, id } = await pair();
  const { data } = await ask(bob, 'POST', 'conversations', { title: 'later' });
  const later = data.conversation_id;
  t.strictSame(await listed(bob), [later, id]);
  await set(bob, id, { hidden: true });
  t.strictSame([await listed(bob), await listed(bob, '?hidden=true')], [[later], [later, id]]);
  t.strictSame([await listed(bob, '?limit=1'), await listed(alice)], [[later], [id]]);
  t.equal((await ask(bob, 'GET', 'conversations?limit=1')).data.next_cursor, null, 'nor on a next page');
  t.ok((await conversation(bob, id)).settings.hidden, 'it is there all the same');
  await set(bob, id, { pinned: true });
  t.strictSame(
    [await listed(bob, '?pinned=true'), await listed(bob, '?pinned=true&hidden=true')],
    [[], [id]],
  );
  await set(bob, id, { pinned: false });
  await say(alice, id);
  t.strictSame(await listed(bob), [id, later]);
  t.notOk((await conversation(bob, id)).settings.hidden);
  await set(bob, id, { hidden: true });
  await set(bob, id, { hidden: false });
  t.strictSame(await listed(bob), [id, later]);

  const crew = await group();
  await leave(crew.bob, crew.id);
  t.strictSame(await listed(crew.bob), [crew.id]);
  t.match((await set(crew.bob, crew.id, { hidden: true })).data, {
    group: { role: null },
    settings: { hidden: true },
  });
  await say(crew.alice, crew.id);
  t.strictSame(await listed(crew.bob), [], 'what comes later isn’t for who has left');
  t.equal((await ask(bob, 'GET', 'conversations?hidden=yes')).error, 'bad_request');
});

t.test('[G23] unread messages and mentions are counted apart, and right on every device', async (t) => {
  const { alice, bob, carol, id } = await group();
  const b = await connectSynced(t, two, bob);
  const mentions = [bob.user_id];
  await say(alice, id);
  const second = await say(alice, id, { mentions });
  await say(carol, id, { mention_all: true });
  await say(bob, id, { mention_all: true, mentions });
  t.strictSame(
    [await counts(bob, id), await counts(alice, id), await counts(carol, id)],
    [
      [3, 2],
      [2, 2],
      [3, 1],
    ],
  );
  b.send('read', { conversation_id: id, seq: second });
  await b.barrier();
  t.strictSame(await counts(bob, id), [1, 1], 'read on another device');
  const { data } = await ask(bob, 'POST', `conversations/${id}/read`, { seq: second + 9 });
  t.strictSame(data, { read_seq: second + 2, unread: 0, mentions: 0 });
  await say(alice, id, { mentions });
  t.strictSame(await counts(bob, id), [1, 1]);
  await leave(bob, id);
  t.strictSame(await counts(bob, id), [0, 0], 'nothing in what one has left');
  await say(alice, id, { mention_all: true });
  await add(alice, id, bob);
  t.strictSame(await counts(bob, id), [0, 0], 'nor of what was there before one came');
  await say(alice, id, { mention_all: true, mentions });
  t.strictSame(await counts(bob, id), [1, 1], 'once, whoever is named beside all');
});

t.test('[G23] who comes later is mentioned by what comes later', async (t) => {
  for (const history of ['all', 'joining']) {
    const { alice, id } = await group({ history });
    const dave = await signUp(one);
    await say(alice, id, { mention_all: true, mentions: [dave.user_id] });
    await add(alice, id, dave);
    t.strictSame(await counts(dave, id), [0, 0]);
    await say(alice, id, { mentions: [dave.user_id] });
    t.strictSame(await counts(dave, id), [1, 1]);
  }
});

t.test('[G23] what is marked as unread is, until something of it is read', async (t) => {
  const { alice, bob, id } = await group({ history: 'joining' });
  const [x, y, z] = [await say(alice, id, { mention_all: true }), await say(alice, id), await say(bob, id)];
  const read = () => ask(bob, 'POST', `conversations/${id}/read`, { seq: 1 });
  await ask(bob, 'POST', `conversations/${id}/read`, { seq: z });
  for (const [from, unread] of [
    [x, [2, 1]],
    [y, [1, 0]],
    [z, [1, 0]],
  ] as const) {
    const { data } = await set(bob, id, { unread_from: from });
    t.strictSame([data.unread, data.mentions, data.read_seq], [...unread, z], 'one at least');
  }
  await say(alice, id);
  t.strictSame(await counts(bob, id), [1, 0], 'with what comes');
  t.match((await read()).data, { unread: 1, mentions: 0 });
  t.strictSame((await conversation(bob, id)).settings, DEFAULTS);
  await set(bob, id, { unread_from: x });
  const b = await connectSynced(t, two, bob);
  b.send('read', { conversation_id: id, seq: 0 });
  t.match(await b.next('conversation'), { unread: 1, mentions: 0, settings: { unread_from: null } });

  // Nothing counts that isn't for them.
  await leave(bob, id);
  const hidden = await say(alice, id, { mentions: [bob.user_id] });
  await set(bob, id, { unread_from: x });
  t.strictSame(await counts(bob, id), [0, 0]);
  await add(alice, id, bob);
  t.strictSame(await counts(bob, id), [1, 0], 'of what was before one came there is the mark');
  await say(alice, id, { mention_all: true });
  t.strictSame(await counts(bob, id), [1, 1]);
  t.match(await set(bob, id, { unread_from: hidden }), { error: 'message_not_found' });
  t.match(await set(bob, id, { unread_from: hidden + 99 }), { error: 'message_not_found' });
});

t.test('[G23] who was away for a month is told up to a bound', async (t) => {
  const { alice, bob, carol, id } = await group();
  const n = 1500;
  await sql`
    with said as (
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select ${id}, 2 + s, nextval('message_ids'), ${alice.user_id}, now(), '~' || s, 'x' from generate_series(1, ${n}) s
      returning seq
    )
    insert into mentions (conversation_id, user_id, seq)
    select ${id}, case when seq % 3 = 0 then ${bob.user_id}::bigint else 0 end, seq from said where seq % 3 < 2`;
  t.strictSame(await counts(bob, id), [1000, 1000]);
  t.strictSame(await counts(carol, id), [1000, 500]);
  t.strictSame(await counts(alice, id), [0, 0]);
  await ask(bob, 'POST', `conversations/${id}/read`, { seq: n - 7 });
  t.strictSame(await counts(bob, id), [9, 6]);
});

/** All that a client was told of what its user has set. */
const told = (client: Client) => client.frames.filter(({ type }) => type === 'conversation' || type === 'me');

t.test('[G24] all devices of a user hear what is set, on every instance, and nobody else', async (t) => {
  const { alice, bob, carol, id } = await group();
  await say(alice, id, { mentions: [bob.user_id] });
  const own = [
    await connectSynced(t, one, bob),
    await connectSynced(t, two, bob),
    await connectSynced(t, two, bob),
  ];
  const others = [await connectSynced(t, one, alice), await connectSynced(t, two, carol)];
  const plain = await connect(t, two, bob);
  const state = { type: 'conversation', conversation_id: id, unread: 1, mentions: 1, read_seq: 0 };
  for (const server of [one, two]) {
    const settings = { ...DEFAULTS, level: 'mentions', pinned: server === one };
    await set(bob, id, { level: 'mentions', pinned: server === one }, server);
    for (const client of own) t.strictSame(await client.next('conversation'), { ...state, settings });
    await set(bob, id, { level: 'mentions' }, server);
    await set(bob, id, {}, server);
    const until = server === one ? FOR_EVER : null;
    const { data } = await ask(bob, 'PATCH', 'me', { muted_until: until }, server);
    t.strictSame(data, (await ask(bob, 'GET', 'me')).data);
    t.strictSame([data.user_id, data.muted_until], [bob.user_id, until]);
    for (const client of own) t.strictSame(await client.next('me'), { type: 'me', muted_until: until });
    await ask(bob, 'PATCH', 'me', { muted_until: until }, server);
    await ask(bob, 'PATCH', 'me', {}, server);
  }
  // From a socket, at an instance, and not to who has read without a mark.
  await set(bob, id, { unread_from: 1 });
  for (const client of own) await client.next('conversation');
  own[1]?.send('read', { conversation_id: id, seq: 3 });
  for (const client of own)
    t.match(await client.next('conversation'), {
      unread: 0,
      mentions: 0,
      read_seq: 3,
      settings: { unread_from: null },
    });
  own[1]?.send('read', { conversation_id: id, seq: 3 });
  for (const client of [...own, ...others, plain]) await client.barrier();
  for (const client of own) t.equal(told(client).length, 6, 'what changes nothing isn’t told');
  for (const client of others) t.strictSame(told(client), []);
  t.strictSame(
    plain.frames.filter(({ type }) => type !== 'online_list'),
    [],
  );
  t.equal((await ask(alice, 'GET', 'me')).data.muted_until, null);
  for (const wrong of [-1, FOR_EVER + 1, 'now'])
    t.equal((await ask(bob, 'PATCH', 'me', { muted_until: wrong })).error, 'bad_request');
});

t.test('[G24] whoever doesn’t read is told how it is then', async (t) => {
  const { bob, id } = await pair();
  const client = await connectSynced(t, one, bob);
  const [connection] = one.app.hub.connectionsOf(bob.user_id);
  if (connection === undefined) throw new Error('not connected');
  Object.defineProperty(connection, 'hasRoomForNews', { get: () => false, configurable: true });
  await set(bob, id, { level: 'mentions' });
  await set(bob, id, { level: 'nothing' });
  await ask(bob, 'PATCH', 'me', { muted_until: 5 });
  await client.barrier();
  t.strictSame(told(client), []);
  Reflect.deleteProperty(connection, 'hasRoomForNews');
  connection.onRoom();
  await client.next('me');
  t.strictSame(
    told(client).map(({ type, settings }) => settings?.level ?? type),
    ['nothing', 'me'],
  );
});
