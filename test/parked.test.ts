/** Conversations of which clients are told only how far they go while they haven't them on their screens, at two instances. */
import t, { type Test } from 'tap';
import { Parking } from '../plugins/connection/parking.js';
import type { NewGroup } from '../schemas/group.js';
import { GROUPS, LIMITS } from '../schemas/limits.js';
import { SIZE } from '../schemas/size.js';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  freshName,
  type Server,
  signUp,
  type User,
} from './helper.js';

// They wait for seconds to pass, and each has people of its own.
t.jobs = 4;

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const ids = (users: { user_id: number }[]) => users.map(({ user_id }) => user_id);
const pair = async (): Promise<[User, User]> => [await signUp(one), await signUp(one)];
const trio = async (): Promise<[User, User, User]> => [...(await pair()), await signUp(one)];

/** Makes a group. @returns its number */
const make = (maker: User, members: User[], kind: NewGroup['kind'] = 'channel', server = one) =>
  server.app.groups.make(maker.user_id, { title: 'A group', kind, user_ids: ids(members) });

/** Adds so many people to a group who are never there. */
async function crowd(maker: User, id: number, count: number) {
  const names = upTo(count).map(() => freshName());
  const rows = await one.app.db.sql<{ user_id: number }[]>`
    insert into users (username, password) select name, '-' from unnest(${`{${names.join()}}`}::text[]) n(name) returning user_id`;
  for (let from = 0; from < count; from += GROUPS.addedAtOnce) {
    const some = rows.slice(from, from + GROUPS.addedAtOnce).map(({ user_id }) => user_id);
    await one.app.groups.change(maker.user_id, id, { does: 'add', people: some });
  }
}

/** Makes a group of so many that it is parked. */
async function makeLarge(maker: User, members: User[]): Promise<number> {
  const id = await make(maker, members, 'group');
  await crowd(maker, id, GROUPS.parked - members.length);
  return id;
}

const say = (user: User, conversation_id: number, more: object = {}, server: Server = one) =>
  server
    .request('POST', '/api/messages', { token: user.token, body: { conversation_id, content: 'x', ...more } })
    .then(({ body }) => body.data ?? body);

/** A client of somebody who shows these conversations. */
async function showing(t: Test, server: Server, user: User, conversations: number[]): Promise<Client> {
  const client = await connectSynced(t, server, user);
  client.send('open', { conversation_ids: conversations });
  await client.barrier();
  return client;
}

interface Head {
  conversation_id: number;
  seq: number;
  at?: number;
  mention?: number;
}
/** What a client was told of a conversation by heads, in order. */
const heads = (client: Client, id: number): Head[] =>
  client
    .of('head')
    .flatMap(({ conversations }) => conversations)
    .filter(({ conversation_id }) => conversation_id === id);
const untilHead = (client: Client, id: number, seq: number) =>
  client.until(() => heads(client, id).some((head) => head.seq === seq), `no head says ${seq}`);
/** Places in a conversation that a client stands at or was given, in the order in which it was. */
const places = (client: Client, id: number): [string, number][] =>
  client.frames
    .filter(({ type, conversation_id }) => conversation_id === id && /^(chat|event|joined|reset)$/.test(type))
    .map(({ type, seq }) => [type, seq]);
const untilPlace = (client: Client, id: number, seq: number) =>
  client.until(() => places(client, id).some(([, at]) => at === seq), `${seq} didn't come`);

const end = async (id: number): Promise<number> => {
  const [row] = await one.app.db.sql<[{ seq: number }]>`
    select seq from messages where conversation_id = ${id} order by seq desc limit 1`;
  return row.seq;
};

/** A channel, and a group that is large: each is parked. */
const kinds: [string, (owner: User, members: User[]) => Promise<number>][] = [
  ['a channel', make],
  ['a large group', makeLarge],
];

for (const [kind, making] of kinds) {
  t.test(`[G25] [G26] ${kind} is parked for who doesn't show it, and for nobody else`, async (t) => {
    const [owner, shows] = await pair();
    const [hides, silent, plain] = await trio();
    const id = await making(owner, [shows, hides, silent, plain]);
    const last = await end(id);
    const clients = [
      await showing(t, one, shows, [id]),
      await showing(t, two, shows, [id]),
      await connectSynced(t, one, silent),
      await connectSynced(t, two, silent),
    ];
    const parked = [await showing(t, one, hides, []), await showing(t, two, hides, [id + 1000])];
    const old = await connect(t, two, plain);
    const before = parked.map((client) => places(client, id));
    for (const client of clients) t.equal(places(client, id).at(-1)?.[1], last);
    const sent = [await say(owner, id), await say(owner, id, {}, two), await say(shows, id)];
    for (const client of clients) {
      await untilPlace(client, id, last + 3);
      t.strictSame(
        places(client, id)
          .slice(-3)
          .map(([, seq]) => seq),
        [last + 1, last + 2, last + 3],
      );
      t.equal(client.of('head').length, 0);
    }
    for (const client of parked) {
      await untilHead(client, id, last + 3);
      const at = Date.parse(sent[2].created_at);
      t.strictSame(heads(client, id).at(-1), { conversation_id: id, seq: last + 3, at });
    }
    t.strictSame(
      parked.map((client) => places(client, id)),
      before,
      'nothing else is said of it',
    );
    await old.barrier();
    t.equal(old.frames.filter(({ type }) => type !== 'online_list').length, 0);
  });

  t.test(`[G26] of ${kind} the newest is told, once a second, and the newest mention`, async (t) => {
    const [owner, bob, carol] = await trio();
    const id = await making(owner, [bob, carol]);
    const [b, c] = [await showing(t, two, bob, []), await showing(t, one, carol, [])];
    const last = await end(id);
    const times: number[] = [];
    b.socket.on('message', (data) => {
      if (String(data).includes('"head"')) times.push(performance.now());
    });
    await say(owner, id, { mentions: [bob.user_id] });
    await say(bob, id, { mentions: [bob.user_id] });
    await say(owner, id);
    await Promise.all([untilHead(b, id, last + 3), untilHead(c, id, last + 3)]);
    const mentions = (client: Client) => heads(client, id).flatMap(({ mention }) => mention ?? []);
    t.equal(mentions(b).at(-1), last + 1, 'nobody mentions themselves');
    t.strictSame(mentions(c), []);
    for (let n = 0; n < 60; n++) await say(owner, id, n === 30 ? { mention_all: true } : {});
    await untilHead(b, id, last + 63);
    await untilHead(c, id, last + 63);
    for (const client of [b, c]) t.equal(mentions(client).at(-1), last + 34);
    const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    t.ok(
      pauses.every((pause) => pause > 900),
      `${pauses.map(Math.round)}`,
    );
  });

  // Alone, since nobody else is to lose anything.
  t.test(
    `[G26] a head of ${kind} that the bus has lost comes by the next look`,
    { buffered: false },
    async (t) => {
      const [owner, bob] = await pair();
      const id = await making(owner, [bob]);
      const [here, there] = [await showing(t, one, bob, []), await showing(t, two, bob, [])];
      await say(owner, id);
      const last = await end(id);
      for (const client of [here, there]) await untilHead(client, id, last);
      const { bus } = one.app;
      const [publish, broadcast] = [bus.publish, bus.broadcast];
      bus.publish = async () => true;
      bus.broadcast = async () => {};
      await say(owner, id, { mentions: [bob.user_id] });
      for (const client of [here, there]) await untilHead(client, id, last + 1);
      Object.assign(bus, { publish, broadcast });
      t.strictSame(
        heads(there, id).at(-1),
        { ...heads(here, id).at(-1) },
        'it is the same as where nothing was lost',
      );
      t.equal(heads(there, id).at(-1)?.mention, last + 1);
      t.equal(places(there, id).filter(([, seq]) => seq > last).length, 0);
    },
  );

  t.test(
    `[G26] so does a mention in ${kind}, where what was said after it came`,
    { buffered: false },
    async (t) => {
      const [owner, bob] = await pair();
      const id = await making(owner, [bob]);
      const there = await showing(t, two, bob, []);
      const { seq } = await say(owner, id);
      await untilHead(there, id, seq);
      await two.app.hub.repair();
      const { bus } = one.app;
      const [publish, broadcast] = [bus.publish, bus.broadcast];
      bus.publish = async () => true;
      bus.broadcast = async () => {};
      await say(owner, id, { mentions: [bob.user_id] });
      Object.assign(bus, { publish, broadcast });
      await say(owner, id);
      await untilHead(there, id, seq + 2);
      await there.until(
        () => heads(there, id).some(({ mention }) => mention === seq + 1),
        'the mention is not told',
      );
      const told = heads(there, id).length;
      await two.app.hub.repair();
      await there.barrier();
      t.equal(heads(there, id).length, told, 'once');
    },
  );

  t.test(
    `[G27] ${kind} is parked and shown beside a stream of messages: no hole, nothing twice`,
    async (t) => {
      const [owner, bob] = await pair();
      const id = await making(owner, [bob]);
      const clients = [await showing(t, one, bob, []), await showing(t, two, bob, [id])];
      const first = (await end(id)) + 1;
      const writers = [await connectSynced(t, one, owner), await connectSynced(t, two, owner)];
      const COUNT = 150;
      const streams = writers.map(async (writer) => {
        for (let n = 0; n < COUNT; n++) {
          writer.send('chat', { conversation_id: id, content: 'x' });
          if (n % 5 === 4) await writer.next('sent');
          if (n % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 10));
        }
      });
      let streaming = true;
      const toggling = clients.map(async (client, i) => {
        for (let n = i; streaming; n++) {
          client.send('open', { conversation_ids: n % 2 === 0 ? [id] : [] });
          if (n % 3 === 0) await client.barrier();
          await new Promise((resolve) => setTimeout(resolve, (n % 5) * 4));
        }
        client.send('open', { conversation_ids: [id] });
      });
      await Promise.all(streams);
      streaming = false;
      await Promise.all(toggling);
      const all = upTo(first - 1 + 2 * COUNT);
      for (const client of clients) {
        await untilPlace(client, id, all.length);
        await client.barrier();
        const seqs = places(client, id)
          .filter(([type]) => type !== 'joined')
          .map(([, seq]) => seq);
        t.strictSame(seqs, all.slice((seqs[0] ?? 1) - 1));
        t.ok((seqs[0] ?? 0) <= first);
      }
    },
  );

  t.test(
    `[G28] before its sync a client says what it shows: of ${kind} it is told by one head`,
    async (t) => {
      const [owner, bob] = await pair();
      const id = await making(owner, [bob]);
      const other = await make(owner, [bob], 'group');
      const small = await end(other);
      await say(owner, id, { mentions: [bob.user_id] });
      const { seq, created_at } = await say(owner, id);
      const client = await connect(t, two, bob, { extended: true });
      client.send('open', { conversation_ids: [] });
      client.send('sync', { positions: [] });
      await client.next('synced');
      t.strictSame(heads(client, id), [
        { conversation_id: id, seq, at: Date.parse(created_at), mention: seq - 1 },
      ]);
      t.equal(places(client, id).length, 0);
      t.equal(places(client, other).at(-1)?.[1], small, 'all else is given');
      await say(owner, id);
      await untilHead(client, id, seq + 1);
      client.send('open', { conversation_ids: [id] });
      await untilPlace(client, id, seq + 1);
      t.equal(places(client, id)[0]?.[0], 'joined');
      const again = await connect(t, one, bob, { extended: true });
      again.send('open', { conversation_ids: [] });
      again.send('sync', { positions: [{ conversation_id: id, seq: seq + 1 }] });
      await again.next('synced');
      await again.barrier();
      t.strictSame(heads(again, id), [], 'who has all of it is told nothing');
    },
  );
}

t.test('[G25] a conversation of two, and a group that is not large, are never parked', async (t) => {
  const [owner, bob] = await pair();
  const id = await make(owner, [bob], 'group');
  await crowd(owner, id, GROUPS.parked - 2);
  const clients = [await showing(t, one, bob, []), await showing(t, two, bob, [])];
  const { seq } = await say(owner, id);
  const direct = await one.request('POST', '/api/messages', {
    token: owner.token,
    body: { to_user_id: bob.user_id, content: 'x' },
  });
  for (const client of clients) {
    await untilPlace(client, id, seq);
    await untilPlace(client, direct.body.data.conversation_id, 1);
  }
  // The next one who comes makes it large.
  await crowd(owner, id, 1);
  await say(owner, id);
  for (const client of clients) {
    await untilHead(client, id, seq + 2);
    t.ok(places(client, id).every(([, at]) => at <= seq));
  }
});

t.test('[G26] what is shown for a moment is told of again, and of nothing less than before', (t) => {
  const parking = new Parking();
  const told = (seq: number, mention?: number) => {
    const head = { conversation: 9, seq, at: seq * 10, mention };
    if (parking.note(head)) parking.learnEnd(head, 0, 0);
    return parking.take().map((one) => [one.seq, one.at, one.mention]);
  };
  parking.learn(9, SIZE.parks);
  parking.show([]);
  t.strictSame(told(5, 3), [[5, 50, 3]]);
  t.strictSame(told(4), []);
  parking.show([9]);
  parking.show([]);
  t.notOk(parking.hasAll(9, 5));
  t.strictSame(told(4), [[5, 50, undefined]], 'one that comes late');
  t.strictSame(told(5, 3), [[5, 50, 3]]);
  t.strictSame(told(5, 3), []);
  t.end();
});

t.test('[G28] who says what they show before their sync gets no receipt of what is parked', async (t) => {
  const [owner, bob] = await pair();
  const [channel, group] = [await make(owner, [bob]), await make(owner, [bob], 'group')];
  const b = await connectSynced(t, one, bob);
  const said = [await say(owner, channel), await say(owner, group)];
  const witness = await connectSynced(t, two, owner);
  const o = await connect(t, two, owner, { extended: true });
  o.send('open', { conversation_ids: [] });
  await o.barrier();
  for (const { conversation_id, seq } of said) b.send('read', { conversation_id, seq });
  await b.barrier();
  for (const { conversation_id, seq } of said)
    await witness.until(
      () =>
        witness.of('receipt').some((one) => one.conversation_id === conversation_id && one.read_seq === seq),
      'no receipt comes',
    );
  o.send('sync', { positions: [] });
  await o.next('synced');
  await o.until(
    () => o.of('receipt').some(({ read_seq }) => read_seq === said[1].seq),
    'of the group it comes',
  );
  t.ok(o.of('receipt').every(({ conversation_id }) => conversation_id === group));
});

t.test('[G27] what is too far behind begins with its last page when it is shown', async (t) => {
  const [owner, bob] = await pair();
  const id = await make(owner, [bob]);
  const client = await connectSynced(t, two, bob);
  const held = await end(id);
  client.send('open', { conversation_ids: [] });
  await client.barrier();
  await one.app.db.sql`
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select ${id}, ${held} + i, nextval('message_ids'), ${owner.user_id}, now(), 'c' || i, 'x'
    from generate_series(1, ${GROUPS.behind + 1}::int) i`;
  const { seq } = await say(owner, id);
  await untilHead(client, id, seq);
  client.send('open', { conversation_ids: [id] });
  await untilPlace(client, id, seq);
  const shown = places(client, id).filter(([, at]) => at > held);
  t.strictSame(shown, [
    ['joined', seq - GROUPS.lastPage],
    ...upTo(GROUPS.lastPage).map((n) => ['chat', seq - GROUPS.lastPage + n]),
  ]);
});

t.test('[G26] who is removed, and who comes, is told so far and no further', async (t) => {
  for (const [, making] of kinds) {
    const [owner, bob, carol] = await trio();
    const id = await making(owner, [bob]);
    const [b, c] = [await showing(t, two, bob, []), await showing(t, two, carol, [])];
    await one.app.groups.change(owner.user_id, id, { does: 'add', people: [carol.user_id] });
    await one.app.groups.change(owner.user_id, id, { does: 'remove', person: bob.user_id });
    const { seq } = await say(owner, id);
    await untilHead(c, id, seq);
    await untilHead(b, id, seq - 1);
    await two.app.hub.repair();
    b.send('open', { conversation_ids: [id] });
    await untilPlace(b, id, seq - 1);
    await b.barrier();
    t.ok(heads(b, id).every((head) => head.seq < seq));
    t.equal(places(b, id).at(-1)?.[1], seq - 1);
  }
});

t.test('[G27] an own message that is sent to what is parked is known, and comes once', async (t) => {
  const [owner, bob] = await pair();
  const id = await make(owner, [bob]);
  const b = await showing(t, two, bob, []);
  const last = await end(id);
  b.send('chat', { conversation_id: id, content: 'mine' });
  t.equal((await b.next('sent')).seq, last + 1);
  await say(owner, id);
  b.send('chat', { conversation_id: id, content: 'mine, too' });
  t.equal((await b.next('sent')).seq, last + 3);
  b.send('open', { conversation_ids: [id] });
  await untilPlace(b, id, last + 2);
  await b.barrier();
  t.strictSame(
    places(b, id).filter(([, seq]) => seq > last),
    [['chat', last + 2]],
  );
});

t.test(
  '[G29] how far others are is told live in few, once a second, and noted in no large ones',
  async (t) => {
    const delivered = async (user: User, id: number) => {
      const [row] = await one.app.db.sql<{ seq: number }[]>`
      select delivered_seq as seq from cursors where user_id = ${user.user_id} and conversation_id = ${id}`;
      return row?.seq ?? 0;
    };
    for (const [members, isTold, isNoted] of [
      [LIMITS.toldMembers, true, true],
      [LIMITS.toldMembers + 1, false, true],
      [GROUPS.parked, false, true],
      [GROUPS.parked + 1, false, false],
    ] as const) {
      const [owner, bob, carol] = await trio();
      const id = await make(owner, [bob, carol], 'group');
      await crowd(owner, id, members - 3);
      const [o, b, c] = [
        await connectSynced(t, one, owner),
        await connectSynced(t, two, bob),
        await showing(t, two, carol, []),
      ];
      const looks = await showing(t, one, owner, [id]);
      const { seq } = await say(owner, id);
      await untilPlace(b, id, seq);
      b.send('ack', { conversation_id: id, seq });
      b.send('typing', { conversation_id: id });
      await b.barrier();
      if (isNoted) await eventually(async () => (await delivered(bob, id)) === seq, 'it is not noted');
      if (isTold) t.match(await o.next('receipt'), { user_id: bob.user_id, delivered_seq: seq });
      b.send('read', { conversation_id: id, seq });
      await b.barrier();
      t.equal(await delivered(bob, id), seq, 'what is read has arrived');
      if (isTold) t.match(await o.next('receipt'), { user_id: bob.user_id, read_seq: seq });
      const { body } = await one.request('GET', `/api/conversations/${id}/receipts`, { token: owner.token });
      const told = ids(body.data.receipts);
      t.strictSame([told.length, told[0]], [isNoted ? Math.min(members, 50) : 1, owner.user_id]);
      if (isNoted) await looks.until(() => looks.of('typing').length > 0, 'it is not told who types');
      await Promise.all([o.barrier(), c.barrier()]);
      t.equal(o.of('receipt').length, isTold ? 2 : 0, `${members}`);
      t.equal(looks.of('typing').length, isNoted ? 1 : 0, `${members}`);
      for (const client of [o, c])
        t.equal(client.of('typing').length, isTold ? 1 : 0, `not shown, ${members}`);
    }
  },
);

t.test('[G29] whoever reads on is told of once a second', async (t) => {
  const [owner, bob, carol] = await trio();
  const id = await make(owner, [bob, carol], 'group');
  const o = await connectSynced(t, two, owner);
  const b = await connectSynced(t, one, bob);
  for (let n = 0; n < 20; n++) await say(owner, id);
  const last = await end(id);
  await untilPlace(b, id, last);
  for (let seq = last - 19; seq <= last; seq++) {
    b.send('read', { conversation_id: id, seq });
    await b.barrier();
  }
  await o.until(() => o.of('receipt').some(({ read_seq }) => read_seq === last), 'it is not told in the end');
  t.ok(o.of('receipt').length <= 3, `${o.of('receipt').length} receipts`);
});

t.test('an `open` may name so many, and no more', async (t) => {
  const client = await connectSynced(t, one, await signUp(one));
  client.send('open', { id: 'many', conversation_ids: upTo(GROUPS.open + 1) });
  t.match(await client.next('error'), { id: 'many', code: 'bad_request' });
  client.send('open', { conversation_ids: upTo(GROUPS.open) });
  await client.barrier();
  t.equal(client.of('error').length, 1);
});
