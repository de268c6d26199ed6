/** Groups and channels, over HTTP and on sockets, at two instances. */
import t, { type Test } from 'tap';
import { GROUPS } from '../schemas/limits.js';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  type Server,
  signUp,
  type User,
} from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const ids = (users: User[]) => users.map(({ user_id }) => user_id).sort((x, y) => x - y);

/** What somebody asks for: the status, and the data or the name of the error. */
async function ask(user: User, method: string, path: string, body?: object, server: Server = one) {
  const { token } = user;
  const answer = await server.request(method, `/api/${path}`, { token, ...(body && { body }) });
  return { status: answer.status, data: answer.body.data, error: answer.body.error };
}
const errorOf = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).error;

/** Makes a group. @returns its number */
async function make(maker: User, people: User[], more: object = {}, server: Server = one): Promise<number> {
  const { data, error } = await ask(
    maker,
    'POST',
    'conversations',
    { title: 'A group', user_ids: ids(people), ...more },
    server,
  );
  if (error !== undefined) throw new Error(error);
  return data.conversation_id;
}
const people = (n: number) => Promise.all(upTo(n).map(() => signUp(one)));
const add = (actor: User, id: number, added: User[], server?: Server) =>
  ask(actor, 'POST', `conversations/${id}/members`, { user_ids: ids(added) }, server);
const remove = (actor: User, id: number, person: User, server?: Server) =>
  ask(actor, 'DELETE', `conversations/${id}/members/${person.user_id}`, undefined, server);
const role = (actor: User, id: number, person: User, to: string) =>
  ask(actor, 'PUT', `conversations/${id}/members/${person.user_id}`, { role: to });
const say = (user: User, conversation_id: number, content = 'x', server?: Server) =>
  ask(user, 'POST', 'messages', { conversation_id, content }, server);
const conversation = async (user: User, id: number) => (await ask(user, 'GET', `conversations/${id}`)).data;
const history = async (user: User, id: number, query = '') =>
  (await ask(user, 'GET', `conversations/${id}/messages${query}`)).data.messages;
const memberIds = async (user: User, id: number): Promise<number[]> =>
  (await ask(user, 'GET', `conversations/${id}/members`)).data.members.map(
    (member: { user: User }) => member.user.user_id,
  );

/** Places in a conversation that a client stands at or was given, in the order in which it was. */
const places = (client: Client, id: number): [string, number][] =>
  client.frames
    .filter(({ type, conversation_id }) => conversation_id === id && /^(chat|event|joined|reset)$/.test(type))
    .map(({ type, seq }) => [type, seq]);
/** Waits until a client has a place of a conversation. */
const until = (client: Client, id: number, seq: number) =>
  client.until(() => places(client, id).some(([, at]) => at === seq), `${seq} didn't come`);

t.test(
  '[G5] a group is made with people in it, once for each id of its maker, and all of them hear of it',
  async (t) => {
    const [owner, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
    const [o, b, c] = [
      await connectSynced(t, one, owner),
      await connectSynced(t, two, bob),
      await connectSynced(t, one, carol),
    ];
    const body = { id: 'mine', title: '  The  crew ', user_ids: ids([bob, carol, owner, bob]) };
    const answers = await Promise.all(
      [one, two, one].map((at) => ask(owner, 'POST', 'conversations', body, at)),
    );
    t.strictSame(
      answers.map(({ status }) => status),
      [201, 201, 201],
    );
    const { conversation_id, group, last_seq, last_message, unread } = answers[0]?.data ?? {};
    for (const { data } of answers) t.equal(data.conversation_id, conversation_id);
    t.strictSame(group, {
      kind: 'group',
      title: 'The  crew',
      role: 'owner',
      posting: 'all',
      history: 'all',
      members: 3,
    });
    t.strictSame([last_seq, unread, 'user' in (answers[0]?.data ?? {})], [2, 0, false]);
    t.match(last_message, {
      type: 'event',
      content: '',
      event: { action: 'added', user_ids: ids([bob, carol]) },
    });
    for (const client of [o, b, c]) {
      await until(client, conversation_id, 2);
      await client.barrier();
      t.strictSame(places(client, conversation_id), [
        ['joined', 0],
        ['event', 1],
        ['event', 2],
      ]);
    }
    const [made] = b.of('event');
    const { msg_id, created_at } = made;
    t.strictSame(made, {
      type: 'event',
      conversation_id,
      msg_id,
      seq: 1,
      from_user_id: owner.user_id,
      event: { action: 'made', title: 'The  crew' },
      created_at,
    });
    b.send('chat', { conversation_id, content: 'hello' });
    for (const client of [o, c])
      t.match(await client.next('chat'), { conversation_id, seq: 3, content: 'hello' });
    const other = await ask(bob, 'POST', 'conversations', { ...body, user_ids: [] });
    t.not(other.data.conversation_id, conversation_id, 'the id is its maker’s own');
    const alone = await make(owner, []);
    t.match(await conversation(owner, alone), { last_seq: 1, group: { members: 1 } });
  },
);

t.test('[G5] who can’t be added keeps all of them out, and each refusal has its name', async (t) => {
  const [owner, bob, blocked, blocker, gone] = await people(5);
  if (!owner || !bob || !blocked || !blocker || !gone) throw new Error('nobody');
  await ask(owner, 'PUT', `blocks/${blocked.user_id}`);
  await ask(blocker, 'PUT', `blocks/${owner.user_id}`);
  await one.app.db.sql`select delete_user_3(${gone.user_id}, null, false)`;
  const id = await make(owner, []);
  const nobody = { user_id: 99_999_999, username: '', token: '' };
  for (const [person, error] of [
    [nobody, 'user_not_found'],
    [gone, 'user_not_found'],
    [blocked, 'not_accepted'],
    [blocker, 'not_accepted'],
  ] as const) {
    t.equal((await add(owner, id, [bob, person])).error, error);
    const asked = { title: 'x', user_ids: ids([bob, person]) };
    t.equal(await errorOf(owner, 'POST', 'conversations', asked), error);
  }
  t.strictSame(await memberIds(owner, id), [owner.user_id], 'nobody was added');
  for (const title of ['', ' \u200b ', 'a\nb', '\u202e', 'x'.repeat(GROUPS.title + 1)])
    for (const [method, path] of [
      ['POST', 'conversations'],
      ['PATCH', `conversations/${id}`],
    ] as const)
      t.match(await ask(owner, method, path, { title }), { status: 400, error: 'title_invalid' });
  t.equal((await add(owner, id, [bob])).status, 200);
  t.equal((await add(bob, id, [owner, bob])).status, 200, 'whoever is in it is passed over');
  t.equal((await conversation(owner, id)).last_seq, 2, 'and that is nothing');
  const { sql } = one.app.db;
  await sql`update groups set members = ${GROUPS.members} where conversation_id = ${id}`;
  t.match(await add(owner, id, [await signUp(one)]), { status: 409, error: 'group_full' });
  await sql`insert into groups (conversation_id, kind, title, title_key, history, made_by)
    select -i, 'group', '', '', 'all', ${owner.user_id} from generate_series(1, ${GROUPS.made}) i`;
  t.match(await ask(owner, 'POST', 'conversations', { title: 'one more' }), {
    status: 409,
    error: 'too_many_groups',
  });
});

t.test('[G5] where people find their contacts alone, only those are added', async (t) => {
  const closed = await build(t, { DIRECTORY: 'contacts' }, one);
  const [owner, friend, stranger] = await people(3);
  if (!owner || !friend || !stranger) throw new Error('nobody');
  await one.app.db.sql`insert into friends (user_id, friend_id)
    values (${owner.user_id}, ${friend.user_id}), (${friend.user_id}, ${owner.user_id})`;
  const id = await make(owner, [friend], {}, closed);
  t.equal((await add(owner, id, [stranger], closed)).error, 'not_accepted');
  t.equal((await add(owner, id, [friend], closed)).status, 200);
});

t.test('[G6] an event stands in the conversation like a message, and is unread for nobody', async (t) => {
  const [owner, bob] = [await signUp(one), await signUp(one)];
  const id = await make(owner, [bob]);
  const b = await connectSynced(t, two, bob);
  await ask(owner, 'PATCH', `conversations/${id}`, { title: 'Another name' });
  await until(b, id, 3);
  b.send('ack', { conversation_id: id, seq: 3 });
  await b.barrier();
  t.equal(b.of('error').length, 0);
  t.match(await conversation(bob, id), { unread: 0, last_seq: 3, group: { title: 'Another name' } });
  await say(owner, id, 'one');
  t.match(await conversation(bob, id), { unread: 1, last_seq: 4 });
  const list = (await ask(bob, 'GET', 'conversations')).data.conversations;
  t.match(list, [{ conversation_id: id, unread: 1, last_message: { content: 'one' } }]);
  t.strictSame(
    (await history(bob, id)).map((message: { type?: string }) => message.type),
    ['event', 'event', 'event', undefined],
  );
  const [first] = await history(owner, id, '?limit=1&after=0');
  t.match(first, { seq: 1, content: '', event: { action: 'made', title: 'A group' } });
  t.notOk('id' in first, 'nobody gave it an id');
  const read = await ask(bob, 'POST', `conversations/${id}/read`, { seq: 4 });
  t.strictSame(read.data, { read_seq: 4, unread: 0, mentions: 0 });
  for (const change of [{}, { title: 'Another name' }, { posting: 'all', history: 'all' }])
    t.equal((await ask(owner, 'PATCH', `conversations/${id}`, change)).status, 200);
  t.equal((await conversation(bob, id)).last_seq, 4, 'what changes nothing is none');
  const all = { title: 'Third', posting: 'moderators', history: 'joining' };
  t.match((await ask(owner, 'PATCH', `conversations/${id}`, all)).data, { last_seq: 7, group: all });
  await until(b, id, 7);
  t.strictSame(
    b
      .of('event')
      .slice(-3)
      .map(({ event }) => event),
    [
      { action: 'renamed', title: 'Third' },
      { action: 'posting', posting: 'moderators' },
      { action: 'history', history: 'joining' },
    ],
  );
});

t.test('[G7] who may do what, and each refusal with its name', async (t) => {
  const [owner, moderator, member, other, stranger] = await people(5);
  if (!owner || !moderator || !member || !other || !stranger) throw new Error('nobody');
  const id = await make(owner, [moderator, member, other]);
  t.equal((await role(owner, id, moderator, 'moderator')).status, 200);
  const change = (user: User, body: object) => errorOf(user, 'PATCH', `conversations/${id}`, body);
  t.equal(await change(member, { title: 'x' }), 'moderator_needed');
  t.equal(await change(moderator, { title: 'Named by a moderator' }), undefined);
  for (const body of [
    { posting: 'moderators' },
    { history: 'joining' },
    { title: 'y', posting: 'moderators' },
  ])
    for (const user of [member, moderator]) t.equal(await change(user, body), 'owner_needed');
  t.equal((await conversation(owner, id)).group.title, 'Named by a moderator', 'all of it or nothing');
  t.equal((await role(moderator, id, member, 'moderator')).error, 'owner_needed');
  t.equal((await role(owner, id, stranger, 'moderator')).error, 'member_not_found');
  t.equal((await remove(member, id, other)).error, 'moderator_needed');
  t.equal((await remove(moderator, id, owner)).error, 'owner_needed');
  t.equal((await remove(moderator, id, stranger)).error, 'member_not_found');
  t.equal((await remove(moderator, id, other)).status, 200);
  t.equal((await add(member, id, [other])).status, 200, 'who may write may add');
  t.equal((await role(owner, id, member, 'moderator')).status, 200);
  t.equal((await remove(moderator, id, member)).error, 'owner_needed', 'nor one of their own');
  t.match(await role(owner, id, owner, 'member'), { status: 409, error: 'last_owner' });
  t.equal((await remove(owner, id, owner)).error, 'last_owner');
  t.equal((await role(owner, id, moderator, 'owner')).status, 200);
  t.equal((await role(owner, id, owner, 'member')).status, 200);
  t.equal((await role(owner, id, moderator, 'member')).error, 'owner_needed');
  const events = (await history(owner, id)).map(({ event }: { event: { action: string } }) => event.action);
  t.strictSame(events.slice(-4), ['added', 'role', 'role', 'role']);
  const { members } = (await ask(owner, 'GET', `conversations/${id}/members?limit=2`)).data;
  t.strictSame(
    members.map(({ user }: { user: User }) => user.user_id),
    ids([owner, moderator, member, other]).slice(0, 2),
  );
  const next = (await ask(owner, 'GET', `conversations/${id}/members?after=${members[1].user.user_id}`)).data;
  t.equal(next.next_cursor, null);
  t.strictSame(
    next.members.map(({ role }: { role: string }) => role),
    ids([owner, moderator, member, other])
      .slice(2)
      .map((user) => (user === member.user_id ? 'moderator' : 'member')),
  );
  t.ok(members.every(({ joined_at }: { joined_at: string }) => Date.parse(joined_at) > 0));
  const alone = await make(owner, []);
  t.equal((await remove(owner, alone, owner)).status, 200, 'the last one may leave');
  t.match(await conversation(owner, alone), { unread: 0, group: { role: null } });
});

t.test(
  '[G8] who is removed is told so, and nothing after that; who is not in it finds nothing',
  async (t) => {
    const [owner, bob, stranger] = [await signUp(one), await signUp(one), await signUp(one)];
    const id = await make(owner, [bob]);
    await say(owner, id, 'before');
    const b = await connectSynced(t, two, bob);
    t.equal((await remove(owner, id, bob)).status, 200);
    await until(b, id, 4);
    await ask(owner, 'PATCH', `conversations/${id}`, { title: 'Without bob' });
    await say(owner, id, 'after');
    await two.app.hub.repair();
    await b.barrier();
    t.strictSame(places(b, id).at(-1), ['event', 4]);
    t.strictSame(b.of('event').at(-1)?.event, { action: 'removed', user_ids: [bob.user_id] });
    t.strictSame((await history(bob, id)).at(-1).seq, 4, 'what they were in it for stays');
    t.match(await conversation(bob, id), {
      last_seq: 4,
      unread: 0,
      group: { role: null, title: 'A group', members: 2 },
    });
    t.match((await ask(bob, 'GET', 'conversations')).data.conversations, [
      { conversation_id: id, last_seq: 4 },
    ]);
    for (const [user, reads] of [
      [bob, 200],
      [stranger, 404],
    ] as const) {
      for (const [method, path, body] of [
        ['POST', 'messages', { conversation_id: id, content: 'x' }],
        ['PATCH', `conversations/${id}`, { title: 'x' }],
        ['GET', `conversations/${id}/members`],
        ['GET', `conversations/${id}/receipts`],
        ['POST', `conversations/${id}/members`, { user_ids: [stranger.user_id] }],
        ['PUT', `conversations/${id}/members/${owner.user_id}`, { role: 'member' }],
        ['DELETE', `conversations/${id}/members/${owner.user_id}`],
        ['DELETE', `conversations/${id}/members/${user.user_id}`],
        ['POST', `conversations/${id}/join`],
      ] as const)
        t.match(await ask(user, method, path, body), { status: 404, error: 'conversation_not_found' }, path);
      for (const path of [`conversations/${id}`, `conversations/${id}/messages`])
        t.equal((await ask(user, 'GET', path)).status, reads, path);
    }
    b.send('sync', { positions: [{ conversation_id: id, seq: 4 }] });
    await b.next('synced');
    await b.barrier();
    t.strictSame(places(b, id).at(-1), ['event', 4], 'nothing is said again to who has it');
  },
);

t.test('[G8] who is removed is not told how far others are past that', async (t) => {
  const [owner, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
  const id = await make(owner, [bob, carol]);
  const [b, c] = [await connectSynced(t, two, bob), await connectSynced(t, one, carol)];
  b.send('chat', { id: 'mine', conversation_id: id, content: 'of bob' });
  const { seq } = await b.next('sent');
  await remove(owner, id, bob);
  await say(owner, id, 'after');
  await until(c, id, seq + 2);
  c.send('ack', { conversation_id: id, seq: seq + 2 });
  t.match(await b.next('receipt'), { user_id: carol.user_id, delivered_seq: seq + 1 });
});

t.test('[G8] an event whose publish is lost is found, by who came and by who went', async (t) => {
  const [owner, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
  const id = await make(owner, [bob]);
  const [b, c] = [await connectSynced(t, two, bob), await connectSynced(t, two, carol)];
  const { bus } = one.app;
  const publish = bus.publish.bind(bus);
  bus.publish = async () => true;
  t.teardown(() => {
    bus.publish = publish;
  });
  await add(owner, id, [carol]);
  await remove(owner, id, bob);
  await two.app.hub.repair();
  await until(b, id, 4);
  await until(c, id, 4);
  t.strictSame(places(c, id), [
    ['joined', 0],
    ['event', 1],
    ['event', 2],
    ['event', 3],
    ['event', 4],
  ]);
});

t.test('[G8] sends that race with removals come before them or not at all', async (t) => {
  const [owner, ...members] = await people(5);
  if (!owner) throw new Error('nobody');
  const id = await make(owner, members);
  const clients = await Promise.all(
    members.map((user, i) => connectSynced(t, i % 2 === 0 ? one : two, user)),
  );
  // Seeded, so that a failure can be had again.
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % n;
  };
  for (const round of upTo(12)) {
    const i = random(members.length);
    const [victim, client] = [members[i], clients[i]];
    if (victim === undefined || client === undefined) throw new Error('nobody');
    const sends = members.flatMap((user, at) =>
      upTo(1 + random(3)).map((n) => say(user, id, `${round}.${at}.${n}`, random(2) === 0 ? one : two)),
    );
    const removal = remove(owner, id, victim, random(2) === 0 ? one : two);
    const [removed] = await Promise.all([removal, ...sends]);
    t.equal(removed.status, 200);
    const [row] = await one.app.db.sql<{ last_seq: number; later: number }[]>`
      select last_seq, (select count(*)::int from messages x where x.conversation_id = m.conversation_id
        and x.from_user_id = m.user_id and x.seq > m.last_seq) as later
      from members m where user_id = ${victim.user_id} and conversation_id = ${id}`;
    t.equal(row?.later, 0, 'nothing of theirs comes after it');
    await until(client, id, row?.last_seq ?? 0);
    await client.barrier();
    t.equal(places(client, id).at(-1)?.[1], row?.last_seq, 'nothing comes to them after it');
    t.equal((await add(owner, id, [victim])).status, 200);
  }
  const end = (await conversation(owner, id)).last_seq;
  for (const client of clients) {
    await until(client, id, end);
    const seqs = places(client, id).map(([, seq]) => seq);
    t.strictSame(
      seqs,
      [...new Set(seqs)].sort((x, y) => x - y),
      'in order, each once',
    );
    t.strictSame(
      seqs,
      upTo(seqs.length).map((n) => n + (seqs[0] ?? 0) - 1),
      'without a hole, since all see all',
    );
  }
  const rows = await one.app.db.sql<{ seq: number }[]>`
    select seq from messages where conversation_id = ${id} order by seq`;
  t.strictSame(
    rows.map(({ seq }) => seq),
    upTo(end),
  );
});

t.test('[G9] where moderators write, nobody else does, by whatever way', async (t) => {
  const [owner, moderator, member] = [await signUp(one), await signUp(one), await signUp(one)];
  const id = await make(owner, [moderator, member], { posting: 'moderators' });
  await role(owner, id, moderator, 'moderator');
  const m = await connectSynced(t, two, member);
  m.send('chat', { id: 'no', conversation_id: id, content: 'x' });
  m.send('chat', { id: 'aside', to_user_id: owner.user_id, content: 'x' });
  t.match(await m.next('error'), { id: 'no', code: 'posting_closed', retryable: false });
  t.match(await say(member, id), { status: 403, error: 'posting_closed' });
  t.equal((await add(member, id, [await signUp(one)])).error, 'posting_closed');
  await m.until(() => m.of('sent').length === 1, 'what is said elsewhere is not kept from it');
  t.equal((await say(moderator, id, 'said')).status, 200);
  t.equal((await m.next('chat')).content, 'said');
  await ask(owner, 'PATCH', `conversations/${id}`, { posting: 'all' });
  const body = { conversation_id: id, content: 'mine', id: 'mine' };
  const first = await ask(member, 'POST', 'messages', body);
  t.equal(first.status, 200);
  await ask(owner, 'PATCH', `conversations/${id}`, { posting: 'moderators' });
  t.equal(
    (await ask(member, 'POST', 'messages', body, two)).data.seq,
    first.data.seq,
    'what is stored is so',
  );
  await role(owner, id, moderator, 'member');
  t.equal((await say(moderator, id)).error, 'posting_closed', 'at once');
});

t.test('[G10] who comes where the past is hidden sees what comes, on no wire anything before', async (t) => {
  const [owner, bob] = [await signUp(one), await signUp(one)];
  const id = await make(owner, [], { history: 'joining' });
  for (const n of upTo(5)) await say(owner, id, `secret ${n}`);
  const b = await connectSynced(t, two, bob);
  await add(owner, id, [bob]);
  await until(b, id, 7);
  t.strictSame(
    b.of('joined'),
    [{ type: 'joined', conversation_id: id, seq: 6 }],
    'not when that was, either',
  );
  t.match(await conversation(bob, id), { last_seq: 7, unread: 0 });
  t.strictSame(
    (await history(bob, id)).map(({ seq }: { seq: number }) => seq),
    [7],
  );
  for (const query of ['?before=7', '?before=5&limit=2']) t.strictSame(await history(bob, id, query), []);
  b.send('sync', { positions: [{ conversation_id: id, seq: 0 }] });
  await b.next('synced');
  b.send('sync', { positions: [{ conversation_id: id, seq: 3, at: 1 }] });
  await b.next('synced');
  await b.barrier();
  t.equal(b.of('reset').length, 0, 'what is not for them proves nothing');
  t.notOk(JSON.stringify(b.frames).includes('secret'));
});

t.test('[G10] who returns sees what they saw and not what came between, unless all see all', async (t) => {
  const [owner, bob] = [await signUp(one), await signUp(one)];
  const id = await make(owner, [bob], { history: 'joining' });
  await say(owner, id, 'seen');
  const b = await connectSynced(t, two, bob);
  const gone = await connectSynced(t, one, bob);
  await until(gone, id, 3);
  await gone.close();
  await remove(bob, id, bob);
  for (const n of upTo(3)) await say(owner, id, `secret ${n}`);
  await add(owner, id, [bob]);
  await until(b, id, 8);
  t.strictSame(places(b, id).slice(-3), [
    ['event', 4],
    ['joined', 7],
    ['event', 8],
  ]);
  t.strictSame(b.of('joined').at(-1), { type: 'joined', conversation_id: id, seq: 7, hidden: true });
  await say(owner, id, 'seen again');
  const seen = async (query = '') => (await history(bob, id, query)).map(({ seq }: { seq: number }) => seq);
  t.strictSame(await seen(), [2, 3, 4, 8, 9]);
  t.strictSame(await seen('?after=3'), [4, 8, 9]);
  t.strictSame(await seen('?before=8'), [2, 3, 4]);
  t.match(await conversation(bob, id), { unread: 1, last_seq: 9, group: { role: 'member' } });
  // From a position before they left.
  const again = await connectSynced(t, one, bob, [{ conversation_id: id, seq: 3 }]);
  t.strictSame(places(again, id), [
    ['event', 4],
    ['joined', 7],
    ['event', 8],
    ['chat', 9],
  ]);
  const fresh = await connectSynced(t, one, bob);
  t.strictSame(places(fresh, id), [
    ['joined', 1],
    ['event', 2],
    ['chat', 3],
    ['event', 4],
    ['joined', 7],
    ['event', 8],
    ['chat', 9],
  ]);
  for (const client of [b, again, fresh]) t.notOk(JSON.stringify(client.frames).includes('secret'));
  // A second time: both parts are hidden, until the owner has all see all.
  await remove(owner, id, bob);
  await say(owner, id, 'secret 4');
  await add(bob, id, [bob]);
  await add(owner, id, [bob]);
  t.strictSame(await seen(), [2, 3, 4, 8, 9, 10, 12]);
  await remove(bob, id, bob);
  await ask(owner, 'PATCH', `conversations/${id}`, { history: 'all' });
  await add(owner, id, [bob]);
  t.strictSame(await seen(), upTo(15));
});

t.test('[G11] `joined` stands for all that is before the last page', async (t) => {
  const [owner, bob] = [await signUp(one), await signUp(one)];
  const id = await make(owner, [bob]);
  const { sql } = one.app.db;
  await sql`
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select ${id}, 2 + i, nextval('message_ids'), ${owner.user_id}, now() - interval '1 minute', 'c' || i, i::text
    from generate_series(1, ${GROUPS.behind + 100}) i`;
  const end = GROUPS.behind + 102;
  const first = end - GROUPS.lastPage;
  const page = [['joined', first], ...upTo(GROUPS.lastPage).map((n) => ['chat', first + n])];
  const [{ created_at }] = await history(bob, id, `?after=${first - 1}&limit=1`);
  const unnamed = await connectSynced(t, two, bob);
  t.strictSame(places(unnamed, id), page, 'to who does not name it');
  t.strictSame(unnamed.of('joined'), [
    { type: 'joined', conversation_id: id, seq: first, at: Date.parse(created_at) },
  ]);
  unnamed.send('ack', { conversation_id: id, seq: end });
  await unnamed.barrier();
  t.equal(unnamed.of('error').length, 0);
  const far = await connectSynced(t, one, bob, [{ conversation_id: id, seq: 5 }]);
  t.strictSame(places(far, id), page, 'to who is far behind');
  const near = await connect(t, one, bob, { extended: true });
  near.send('sync', { positions: [{ conversation_id: id, seq: end - GROUPS.behind }] });
  await until(near, id, end);
  near.send('ack', { conversation_id: id, seq: end });
  await near.next('synced');
  t.equal(near.of('joined').length, 0);
  t.strictSame(near.of('chat').length, GROUPS.behind, 'and to nobody else');
  const rest = await connect(t, one, bob, { extended: true });
  rest.send('sync', { positions: [], rest: 'end' });
  await rest.next('synced');
  t.strictSame(places(rest, id), []);
  await say(owner, id, 'and on');
  for (const client of [unnamed, far, near, rest]) await until(client, id, end + 1);
  const plain = await connect(t, one, bob);
  await say(owner, id, 'on');
  await plain.barrier();
  plain.send('get_offline');
  t.strictSame((await plain.next('offline_list')).data, [], 'a plain client sees nothing of it');
  t.equal(plain.of('chat').length, 0);
  // Who has left is given what they lack of it, and nothing where they lack nothing.
  await remove(bob, id, bob);
  await say(owner, id, 'without bob');
  const has = await connectSynced(t, two, bob, [{ conversation_id: id, seq: end + 3 }]);
  t.strictSame(places(has, id), []);
  const lacks = await connectSynced(t, two, bob);
  t.strictSame(places(lacks, id)[0], ['joined', end + 3 - GROUPS.lastPage]);
  t.strictSame(places(lacks, id).at(-1), ['event', end + 3]);
});

t.test('[G12] channels are listed, found by every word, and joined by oneself', async (t) => {
  const [owner, bob] = [await signUp(one), await signUp(one)];
  const channel = await make(owner, [], { kind: 'channel', title: 'Zebra Über all' });
  const second = await make(owner, [], { kind: 'channel', title: 'Zebra, another' });
  const group = await make(owner, [], { title: 'Zebra group' });
  const list = async (query: string) => (await ask(bob, 'GET', `channels?${query}`)).data;
  const found = async (query: string) =>
    (await list(query)).channels.map((one: { conversation_id: number }) => one.conversation_id);
  t.strictSame(await found('search=zebra'), [channel, second]);
  t.strictSame(await found('search=%C3%BCB'), [channel]);
  t.strictSame(await found('search=another'), [second]);
  t.strictSame(await found('search=group'), []);
  const first = await list('limit=1&search=zebra');
  t.strictSame(first.channels, [
    { conversation_id: channel, title: 'Zebra Über all', members: 1, joined: false },
  ]);
  t.equal(first.next_cursor, channel);
  t.strictSame(await found(`limit=1&search=zebra&after=${channel}`), [second]);
  t.strictSame(await found(''), [channel, second], 'all of them');
  const b = await connectSynced(t, two, bob);
  t.equal(await errorOf(bob, 'POST', `conversations/${group}/join`), 'conversation_not_found');
  t.match((await ask(bob, 'POST', `conversations/${channel}/join`)).data, {
    conversation_id: channel,
    group: { kind: 'channel', role: 'member', members: 2 },
  });
  t.equal((await ask(bob, 'POST', `conversations/${channel}/join`)).status, 200);
  await until(b, channel, 2);
  t.strictSame(b.of('event').at(-1)?.event, { action: 'joined' });
  t.equal((await conversation(owner, channel)).last_seq, 2, 'once');
  t.match((await list('search=zebra')).channels[0], { joined: true, members: 2 });
  t.equal((await remove(bob, channel, bob)).status, 200);
  t.strictSame((await list('search=zebra')).channels[0].joined, false);
  await ask(owner, 'PATCH', `conversations/${channel}`, { title: 'Yak' });
  t.strictSame(await found('search=zebra'), [second]);
  t.strictSame(await found('search=yak'), [channel]);
});

t.test('[G13] one of two is never widened', async (t) => {
  const [alice, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
  const sent = await ask(alice, 'POST', 'messages', { to_user_id: bob.user_id, content: 'x' });
  const id = sent.data.conversation_id;
  for (const [method, path, body] of [
    ['PATCH', `conversations/${id}`, { title: 'x' }],
    ['GET', `conversations/${id}/members`],
    ['GET', `conversations/${id}/receipts`],
    ['POST', `conversations/${id}/members`, { user_ids: [carol.user_id] }],
    ['PUT', `conversations/${id}/members/${bob.user_id}`, { role: 'owner' }],
    ['DELETE', `conversations/${id}/members/${bob.user_id}`],
    ['DELETE', `conversations/${id}/members/${alice.user_id}`],
    ['POST', `conversations/${id}/join`],
  ] as const)
    t.match(await ask(alice, method, path, body), { status: 404, error: 'conversation_not_found' }, path);
  t.match(await conversation(alice, id), {
    conversation_id: id,
    user: { user_id: bob.user_id },
    last_seq: 1,
  });
  t.equal((await ask(alice, 'GET', 'conversations/99999999')).error, 'conversation_not_found');
  t.equal((await ask(carol, 'GET', `conversations/${id}`)).error, 'conversation_not_found');
});

t.test('[G14] whoever is deleted leaves their groups, and each has an owner still', async (t) => {
  const [owner, moderator, member, late] = await people(4);
  if (!owner || !moderator || !member || !late) throw new Error('nobody');
  const id = await make(owner, [member, moderator], { title: 'Typed by who goes' });
  await role(owner, id, moderator, 'moderator');
  const plain = await make(owner, [late]);
  await add(owner, plain, [member]);
  const alone = await make(owner, []);
  const m = await connectSynced(t, two, member);
  await one.app.accounts.delete(owner.user_id, true, undefined);
  await two.app.hub.repair();
  const roles = async (user: User, conversation: number) =>
    (await ask(user, 'GET', `conversations/${conversation}/members`)).data.members.map(
      ({ user, role }: { user: User; role: string }) => [user.user_id, role],
    );
  t.strictSame(
    (await roles(member, id)).sort(),
    [
      [moderator.user_id, 'owner'],
      [member.user_id, 'member'],
    ].sort(),
    'the oldest moderator',
  );
  t.strictSame(
    (await roles(member, plain)).find(([user]: [number]) => user === late.user_id),
    [late.user_id, 'owner'],
    'else the oldest member',
  );
  await m.until(
    () =>
      m.of('event').some(({ event, conversation_id }) => conversation_id === id && event.role === 'owner'),
    'they hear of it',
  );
  const list = (await conversation(member, id)).group;
  t.match(list, { title: 'Typed by who goes', members: 2 });
  await eventually(async () => {
    const [made] = await history(member, id, '?after=0&limit=1');
    return !('title' in made.event);
  }, 'what they typed is emptied');
  t.equal((await say(moderator, id)).status, 200);
  void alone;
});

t.test('[G14] whoever is deleted while they are added, or make a group, is in none', async (t) => {
  const [owner, friend, ...victims] = await people(10);
  if (!owner || !friend) throw new Error('nobody');
  const id = await make(owner, [friend]);
  for (const [i, victim] of victims.entries()) {
    const answers = await Promise.all([
      ...(i % 2 === 0 ? [add(owner, id, [victim], two)] : []),
      ask(victim, 'POST', 'conversations', { title: 'x', user_ids: [friend.user_id] }, two),
      one.app.accounts.delete(victim.user_id, false, undefined).then(() => undefined),
      add(friend, id, [victim, friend]),
    ]);
    for (const answer of answers)
      t.ok(
        answer === undefined || /^(undefined|user_not_found|unauthorized)$/.test(`${answer.error}`),
        answer?.error,
      );
    const open = await one.app.db.sql`
      select from members where user_id = ${victim.user_id} and last_seq is null and joined_seq is not null`;
    t.equal(open.length, 0);
  }
  t.strictSame(await memberIds(owner, id), ids([owner, friend]));
  t.equal((await conversation(owner, id)).group.members, 2);
});

t.test('[G8] changes that race are made one after the other, and counted right', async (t) => {
  const [owner, ...rest] = await people(8);
  if (!owner) throw new Error('nobody');
  const id = await make(owner, []);
  await Promise.all(
    rest.flatMap((user, i) => [
      add(owner, id, [user, ...rest.slice(0, i)], i % 2 === 0 ? one : two),
      add(owner, id, [user], i % 2 === 0 ? two : one),
    ]),
  );
  t.strictSame(await memberIds(owner, id), ids([owner, ...rest]));
  const added = (await history(owner, id)).flatMap(
    ({ event }: { event: { user_ids?: number[] } }) => event.user_ids ?? [],
  );
  t.strictSame(
    added.sort((x: number, y: number) => x - y),
    ids(rest),
    'each by one event',
  );
  const last = rest.map((user) => role(owner, id, user, 'owner'));
  await Promise.all(last);
  const leaving = await Promise.all([owner, ...rest].map((user) => remove(user, id, user)));
  t.equal(leaving.filter(({ error }) => error === 'last_owner').length, 0, 'the last to leave is alone');
  const [row] = await one.app.db.sql`select members from groups where conversation_id = ${id}`;
  t.equal(row?.members, 0);
});

t.test('[G15] each member’s receipts are answered, but for who has blocked who asks', async (t) => {
  const [owner, bob, blocker] = [await signUp(one), await signUp(one), await signUp(one)];
  const id = await make(owner, [bob, blocker]);
  await ask(blocker, 'PUT', `blocks/${owner.user_id}`);
  await say(owner, id);
  for (const user of [bob, blocker]) await ask(user, 'POST', `conversations/${id}/read`, { seq: 3 });
  const { receipts, next_cursor } = (await ask(owner, 'GET', `conversations/${id}/receipts`)).data;
  t.equal(next_cursor, null);
  const of = (user: User) => receipts.find(({ user_id }: User) => user_id === user.user_id);
  t.strictSame(of(bob), { user_id: bob.user_id, delivered_seq: 3, read_seq: 3 });
  t.strictSame(of(blocker), { user_id: blocker.user_id, delivered_seq: 0, read_seq: 0 });
  t.equal((await say(blocker, id, 'both go on in it')).status, 200);
});

t.test('[G1] who is in a group is asked once, however much is said in it', async (t: Test) => {
  const [owner, bob] = [await signUp(one), await signUp(one)];
  const id = await make(owner, [bob]);
  await say(owner, id);
  const store = Reflect.get(one.app.messages, 'store');
  const rosters = Reflect.get(store, 'rosters');
  const before = rosters.get(id);
  t.strictSame([...before.members].sort(), ids([owner, bob]).sort());
  await say(owner, id);
  t.equal(rosters.get(id), before);
  await add(bob, id, [await signUp(one)], two);
  await say(owner, id);
  t.equal(rosters.get(id).members.length, 3);
});
