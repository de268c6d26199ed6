/** Conversations that aren't of two, made by SQL: at one instance, and at three. */
import t, { type Test } from 'tap';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  makeMany,
  type Server,
  signUp,
  type User,
  unfetched,
} from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);
const three = await build(t, { INSTANCE_ID: 'three', REPAIR_SECONDS: '1' }, one);
const instances = [one, two, three] as const;

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const post = (user: User, body: object) =>
  one.request('POST', '/api/messages', { token: user.token, body: { content: 'x', ...body } });

/** Three people and their conversation, each connected to an instance of their own. */
async function trio(t: Test) {
  const [alice, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
  const conversation_id = await makeMany(one, [alice, bob, carol]);
  const [a, b, c] = [
    await connectSynced(t, one, alice),
    await connectSynced(t, two, bob),
    await connectSynced(t, three, carol),
  ];
  return { alice, bob, carol, conversation_id, a, b, c };
}

/** Somebody isn't in a conversation any more, from its end on. */
const leave = (user: User, conversation: number) => one.app.db.sql`
  update members set last_seq = (select count(*) from messages where conversation_id = ${conversation})
  where user_id = ${user.user_id} and conversation_id = ${conversation}`;

/** Loses some of what an instance publishes. */
function lossy(t: Test, { app: { bus } }: Server) {
  const publish = bus.publish.bind(bus);
  let n = 0;
  bus.publish = async (replica, text) => n++ % 3 === 0 || publish(replica, text);
  t.teardown(() => {
    bus.publish = publish;
  });
}

/** Places in a conversation that a client was told of, in the order in which it was. */
const told = (client: Client, type: string, conversation: number): number[] =>
  client
    .of(type)
    .filter((frame) => frame.conversation_id === conversation)
    .map((frame) => frame.seq);

t.test(
  '[G1] a message to a conversation reaches everybody in it, and names nobody as receiver',
  async (t) => {
    const { alice, conversation_id, a, b, c } = await trio(t);
    const phone = await connectSynced(t, two, alice);
    a.send('chat', { id: 'first', conversation_id, content: 'hello' });
    const { type, id, ...place } = await a.next('sent');
    t.match([type, id, place.seq, 'to_user_id' in place], ['sent', 'first', 1, false]);
    const chat = { type: 'chat', ...place, from_user_id: alice.user_id, content: 'hello' };
    t.strictSame(await b.next('chat'), chat);
    t.strictSame(await c.next('chat'), chat);
    t.strictSame(await phone.next('chat'), { ...chat, id: 'first' }, "the sender's other device");
    await a.barrier();
    t.equal(a.of('chat').length, 0);
  },
);

t.test('[G1] HTTP sends to it and answers its history, and the list leaves it out', async (t) => {
  const { alice, bob, conversation_id, b } = await trio(t);
  const { status, body } = await post(alice, { conversation_id, id: 'by-http' });
  t.equal(status, 200);
  const { msg_id, created_at } = body.data;
  t.strictSame(body.data, { id: 'by-http', conversation_id, msg_id, seq: 1, created_at });
  t.equal((await b.next('chat')).msg_id, msg_id);
  const get = (path: string) => one.request('GET', path, { token: bob.token });
  const history = await get(`/api/conversations/${conversation_id}/messages`);
  t.strictSame(history.body.data.messages, [
    { conversation_id, msg_id, seq: 1, from_user_id: alice.user_id, content: 'x', created_at },
  ]);
  t.strictSame((await get('/api/conversations')).body.data.conversations, []);
});

t.test('[X6] an id is its sender’s own in the conversation, on all devices and over HTTP', async (t) => {
  const { alice, bob, conversation_id, a } = await trio(t);
  a.send('chat', { id: 'once', conversation_id, content: 'x' });
  const { seq, msg_id } = await a.next('sent');
  const again = await two.request('POST', '/api/messages', {
    token: alice.token,
    body: { id: 'once', conversation_id, content: 'x' },
  });
  t.match(again.body.data, { seq, msg_id });
  const answers = await Promise.all(upTo(10).map(() => post(alice, { id: 'many-times', conversation_id })));
  t.strictSame(
    answers.map(({ body }) => body.data?.seq),
    answers.map(() => 2),
  );
  t.equal((await post(alice, { id: 'once', conversation_id, content: 'y' })).body.error, 'id_reused');
  t.equal((await post(bob, { id: 'once', conversation_id })).status, 200);
  t.equal((await post(alice, { id: 'once', to_user_id: bob.user_id })).status, 200, 'nor is it that of two');
});

t.test('[G2] to who is not in it a conversation is not there', async (t) => {
  const { conversation_id, a, b, c } = await trio(t);
  const eve = await signUp(one);
  const e = await connectSynced(t, one, eve);
  const path = `/api/conversations`;
  const answers = [];
  for (const id of [conversation_id, 99_999_999]) {
    const { token } = eve;
    e.send('chat', { id: 'e', conversation_id: id, content: 'x' });
    const sent = await e.next('error');
    e.send('read', { id: 'r', conversation_id: id, seq: 1 });
    const read = await e.next('error');
    const http = [
      await post(eve, { conversation_id: id, id: 'e' }),
      await one.request('GET', `${path}/${id}/messages`, { token }),
      await one.request('POST', `${path}/${id}/read`, { token, body: { seq: 1 } }),
    ];
    t.strictSame(
      http.map(({ status }) => status),
      [404, 404, 404],
    );
    answers.push([sent, read, ...http.map(({ body }) => body)]);
  }
  e.send('typing', { conversation_id });
  t.equal((await e.next('error')).code, 'conversation_not_found');
  t.strictSame(answers[0], answers[1]);
  e.send('sync', { positions: [{ conversation_id, seq: 0 }] });
  a.send('chat', { conversation_id, content: 'secret' });
  for (const client of [b, c]) t.equal((await client.next('chat')).seq, 1);
  await e.next('synced');
  await one.app.hub.repair();
  await e.barrier();
  t.equal(e.of('chat').length, 0);
});

t.test('[X5] all write at once on three instances, and lost publishes leave no hole', async (t) => {
  const people = await Promise.all(upTo(9).map(() => signUp(one)));
  const conversation_id = await makeMany(one, people);
  const devices: { user: User; client: Client }[] = [];
  for (const [i, user] of people.entries())
    for (const at of i % 3 === 0 ? [i, i + 1] : [i]) {
      const server = instances[at % 3] ?? one;
      devices.push({ user, client: await connectSynced(t, server, user) });
    }
  for (const server of instances) lossy(t, server);
  const each = 40;
  for (const n of upTo(each))
    for (const [i, { user, client }] of devices.entries()) {
      client.send('chat', { id: `${i}-${n}`, conversation_id, content: `${user.user_id}.${i} ${n}` });
      // Between two, beside it.
      if (n % 10 === 0) client.send('chat', { to_user_id: people[0]?.user_id, content: 'aside' });
    }
  const all = each * devices.length;
  for (const { user, client } of devices) {
    const places = () => [...told(client, 'chat', conversation_id), ...told(client, 'sent', conversation_id)];
    await client.until(() => new Set(places()).size >= all, 'not all came');
    await client.barrier();
    const came = told(client, 'chat', conversation_id);
    t.strictSame(
      came,
      [...new Set(came)].sort((x, y) => x - y),
      'in order, each once',
    );
    const own = new Set(told(client, 'sent', conversation_id));
    t.equal(came.filter((seq) => own.has(seq)).length, 0, 'none as both');
    t.strictSame(
      places().sort((x, y) => x - y),
      upTo(all),
    );
    const chats = client.of('chat').filter((frame) => frame.conversation_id === conversation_id);
    t.ok(
      chats.every((frame) => 'id' in frame === (frame.from_user_id === user.user_id)),
      'only the sender sees the ids of messages',
    );
  }
  const rows = await one.app.db.sql<{ seq: number; content: string }[]>`
    select seq, content from messages where conversation_id = ${conversation_id} order by seq`;
  t.strictSame(
    rows.map(({ seq }) => seq),
    upTo(all),
  );
  for (const [i, { user }] of devices.entries())
    t.strictSame(
      rows.filter(({ content }) => content.startsWith(`${user.user_id}.${i} `)).map(({ content }) => content),
      upTo(each).map((n) => `${user.user_id}.${i} ${n}`),
      'in the order of sending',
    );
});

t.test('[X8] who was away is given what they missed, from where they stood', async (t) => {
  const { bob, conversation_id, a, b } = await trio(t);
  a.send('chat', { conversation_id, content: '1' });
  await b.next('chat');
  await b.close();
  for (const n of upTo(300)) a.send('chat', { conversation_id, content: `${n + 1}` });
  await a.until(() => a.of('sent').length === 301, 'not all is stored');
  const again = await connectSynced(t, one, bob, [{ conversation_id, seq: 1 }]);
  t.strictSame(
    told(again, 'chat', conversation_id),
    upTo(300).map((n) => n + 1),
  );
});

t.test('[G3] a plain client sees nothing of it, and loses nothing of what is said between two', async (t) => {
  const { carol, conversation_id, a, b, c } = await trio(t);
  const plain = await connect(t, three, carol);
  await c.close();
  const { repaired } = three.app.hub.counts;
  const say = (n: number) => {
    a.send('chat', { conversation_id, content: 'to all' });
    b.send('chat', { to_user_id: carol.user_id, content: `${n}` });
  };
  for (const n of upTo(50)) say(n);
  await plain.until(() => plain.of('chat').length >= 50, 'not all came');
  await a.until(() => a.of('sent').length === 50, 'not all is stored');
  await three.app.hub.repair();
  await plain.barrier();
  const contents = (client: Client) => client.of('chat').map(({ content }) => content);
  t.strictSame(contents(plain), upTo(50).map(String));
  t.equal(three.app.hub.counts.repaired, repaired, 'what it is not given is not taken for lost');
  await eventually(async () => (await unfetched(one, carol.user_id)).length === 50, 'it is not confirmed');
  await plain.close();
  for (const n of upTo(5)) say(50 + n);
  await a.until(() => a.of('sent').length === 55, 'not all is stored');
  await b.until(() => b.of('sent').length === 55, 'not all is stored');
  const later = await connect(t, two, carol);
  later.send('get_offline');
  t.strictSame(
    (await later.next('offline_list')).data.map(({ content }: { content: string }) => content),
    upTo(5).map((n) => `${50 + n}`),
  );
  await later.barrier();
  t.strictSame(contents(later), []);
  const synced = await connectSynced(t, two, carol);
  t.strictSame(told(synced, 'chat', conversation_id), upTo(55), 'which waits for an extended client');
});

t.test('[X11] [X12] each of the others is told how far one is, and that one types', async (t) => {
  const { bob, carol, conversation_id, a, b, c } = await trio(t);
  for (const client of [a, b]) {
    client.send('chat', { conversation_id, content: 'x' });
    await client.next('sent');
  }
  for (const client of [a, b, c])
    await client.until(() => client.of('chat').length + client.of('sent').length >= 2, 'not all came');
  c.send('ack', { conversation_id, seq: 2 });
  const far = (user: User, delivered_seq: number, read_seq: number) => {
    const { user_id } = user;
    return { type: 'receipt', conversation_id, user_id, delivered_seq, read_seq };
  };
  for (const client of [a, b]) t.strictSame(await client.next('receipt'), far(carol, 2, 0));
  b.send('read', { conversation_id, seq: 2 });
  for (const client of [a, c]) t.strictSame(await client.next('receipt'), far(bob, 2, 2));
  t.equal(b.of('read').length, 0);
  a.send('typing', { conversation_id });
  for (const client of [b, c]) t.equal((await client.next('typing')).conversation_id, conversation_id);
  await a.barrier();
  t.equal(a.of('typing').length, 0);
});

t.test(
  '[G2] who has left is given nothing more and says nothing more, and keeps what they saw',
  async (t) => {
    const { bob, conversation_id, a, b, c } = await trio(t);
    b.send('chat', { id: 'mine', conversation_id, content: 'mine' });
    await b.next('sent');
    await Promise.all([a.next('chat'), c.next('chat')]);
    await leave(bob, conversation_id);
    // In one batch with others, of which it keeps none from being stored.
    for (const [client, to] of [
      [b, { conversation_id }],
      [a, { conversation_id }],
      [b, { to_user_id: bob.user_id }],
    ] as const)
      client.send('chat', { id: 'after', ...to, content: 'after' });
    const error = { type: 'error', id: 'after', code: 'conversation_not_found', retryable: false };
    t.match(await b.next('error'), error);
    t.equal((await a.next('sent')).seq, 2);
    t.equal((await c.next('chat')).seq, 2);
    // What was stored is so, whoever is asked, though its sender has left.
    for (const { request } of instances) {
      const body = { id: 'mine', conversation_id, content: 'mine' };
      t.match(await request('POST', '/api/messages', { token: bob.token, body }), {
        status: 200,
        body: { data: { seq: 1 } },
      });
    }
    b.send('chat', { id: 'again', conversation_id, content: 'again' });
    await b.until(() => b.of('error').length === 2, 'it is not refused');
    await two.app.hub.repair();
    b.send('sync', { positions: [] });
    await b.next('synced');
    await b.barrier();
    t.strictSame(told(b, 'chat', conversation_id), [1], 'up to where they were in it');
    const history = await one.request('GET', `/api/conversations/${conversation_id}/messages`, {
      token: bob.token,
    });
    t.equal(history.body.data.messages.length, 1);
  },
);
