/** One user on several devices, at one instance and at two. */
import t, { type Test } from 'tap';
import { LIMITS } from '../schemas/limits.js';
import { build, type Client, connect, connectSynced, eventually, signUp } from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);
const single = await build(t, { INSTANCE_ID: 'single', SINGLE_SESSION: '1' });

const REPLACED = { code: 4002, reason: 'replaced by a newer connection' };
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** Two devices of alice at one instance and one at the other, and bob. */
async function devices(t: Test) {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const laptop = await connectSynced(t, one, alice);
  const tab = await connectSynced(t, one, alice);
  const phone = await connectSynced(t, two, alice);
  const b = await connectSynced(t, two, bob);
  // Each instance has heard that the other has her, too.
  const [here, there] = [one, two].map(({ app }) => Reflect.get(app.hub, 'ownership'));
  await eventually(
    () => here.isElsewhere(alice.user_id) && there.isElsewhere(alice.user_id),
    'an instance does not know of the other one',
  );
  return { alice, bob, laptop, tab, phone, b, all: [laptop, tab, phone] };
}

const came = (client: Client) => client.of('chat').map(({ seq, content }) => [seq, content]);

t.test('[O6] all devices of a user are connected at once, and each is given everything', async (t) => {
  const { alice, all, b } = await devices(t);
  for (const n of upTo(50)) b.send('chat', { to_user_id: alice.user_id, content: `${n}` });
  for (const device of all) {
    await device.until(() => device.of('chat').length >= 50, 'not all came');
    await device.barrier();
    t.strictSame(
      came(device),
      upTo(50).map((n) => [n, `${n}`]),
    );
  }
});

t.test('[X7] what is sent on one device comes to the others, with its id', async (t) => {
  const { bob, laptop, tab, phone, b } = await devices(t);
  for (const [from, id] of [
    [laptop, 'on-the-laptop'],
    [phone, 'on-the-phone'],
  ] as const)
    from.send('chat', { id, to_user_id: bob.user_id, content: id });
  const ids = ['on-the-laptop', 'on-the-phone'];
  for (const [device, own] of [
    [laptop, ['on-the-laptop']],
    [tab, []],
    [phone, ['on-the-phone']],
  ] as const) {
    await device.until(() => device.of('chat').length + device.of('sent').length >= 2, 'not all came');
    await device.barrier();
    const [sent, others] = [device.of('sent'), device.of('chat')].map((frames) => frames.map(({ id }) => id));
    t.strictSame([sent, others?.sort()], [own, ids.filter((id) => !own.some((other) => other === id))]);
  }
  await b.until(() => b.of('chat').length >= 2, 'not all came');
  t.strictSame(
    b.of('chat').map(({ id }) => id),
    [undefined, undefined],
  );
});

t.test('[X6] the same id from all devices at once is one message', async (t) => {
  const { bob, all, b } = await devices(t);
  for (const device of all) device.send('chat', { id: 'once', to_user_id: bob.user_id, content: 'once' });
  for (const device of all) t.equal((await device.next('sent')).seq, 1);
  await b.next('chat');
  await Promise.all([one, two].map(({ app }) => app.hub.repair()));
  await Promise.all([b, ...all].map((client) => client.barrier()));
  t.equal(b.of('chat').length, 1);
  // Of what the other instance stored a device may hear as of any other device's, before its own send is answered.
  for (const device of all)
    t.ok(
      device.of('chat').every(({ id, seq }) => id === 'once' && seq === 1) && device.of('chat').length <= 1,
      'nothing else is given',
    );
});

t.test('[X10] how far a user has read reaches the devices that did not say so, and only grows', async (t) => {
  const { alice, laptop, tab, phone, all, b } = await devices(t);
  for (const n of upTo(5)) b.send('chat', { to_user_id: alice.user_id, content: `${n}` });
  for (const device of all) await device.until(() => device.of('chat').length === 5, 'not all came');
  const { conversation_id } = tab.of('chat')[0];
  const read = (seq: number) => ({ type: 'read', conversation_id, seq });
  tab.send('read', { conversation_id, seq: 3 });
  t.strictSame([await laptop.next('read'), await phone.next('read')], [read(3), read(3)]);
  phone.send('read', { conversation_id, seq: 2 });
  phone.send('read', { conversation_id, seq: 4 });
  t.strictSame([await laptop.next('read'), await tab.next('read')], [read(4), read(4)]);
  await one.request('POST', `/api/conversations/${conversation_id}/read`, {
    token: alice.token,
    body: { seq: 5 },
  });
  t.strictSame(
    [await laptop.next('read'), await tab.next('read'), await phone.next('read')],
    [5, 5, 5].map(read),
  );
  await b.until(() => b.of('receipt').at(-1)?.read_seq === 5, 'the other side does not hear of it');
  await Promise.all(all.map((device) => device.barrier()));
  t.strictSame(
    all.map((device) => device.of('read').map(({ seq }) => seq)),
    [
      [3, 4, 5],
      [4, 5],
      [3, 5],
    ],
  );
});

t.test('[B2] what one device has confirmed is not lost for another', async (t) => {
  const { alice, laptop, tab, phone, b } = await devices(t);
  const { bus } = two.app;
  const publish = bus.publish.bind(bus);
  t.teardown(() => {
    bus.publish = publish;
  });
  bus.publish = async () => true;
  b.send('chat', { to_user_id: alice.user_id, content: 'lost for those at the other instance' });
  const { conversation_id, seq } = await phone.next('chat');
  phone.send('ack', { conversation_id, seq });
  await b.until(() => b.of('receipt').at(-1)?.delivered_seq === seq, 'the sender does not hear of it');
  for (const device of [laptop, tab]) t.equal((await device.next('chat')).seq, seq);
});

t.test('[X11] [X12] receipts and typing reach all devices', async (t) => {
  const { bob, laptop, all, b } = await devices(t);
  laptop.send('chat', { to_user_id: bob.user_id, content: 'hello' });
  const { conversation_id, seq } = await b.next('chat');
  b.send('ack', { conversation_id, seq });
  b.send('typing', { conversation_id });
  for (const device of all) {
    await device.until(() => device.of('receipt').length === 1, 'no receipt came');
    t.match(device.of('receipt'), [{ user_id: bob.user_id, delivered_seq: 1, read_seq: 0 }]);
    await device.until(() => device.of('typing').length === 1, 'typing is not told');
  }
});

t.test('[X13] a user is online while any device is', async (t) => {
  const { alice, laptop, tab, phone, b } = await devices(t);
  b.send('presence', { user_ids: [alice.user_id] });
  t.equal((await b.next('presence')).users[0].online, true);
  await Promise.all([laptop.close(), tab.close()]);
  await eventually(
    async () => (await one.app.bus.owners([alice.user_id]))[0]?.length === 1,
    'the first instance still has her',
  );
  await phone.close();
  t.equal((await b.next('presence')).users[0].online, false);
  t.equal(b.of('presence').length, 2);
});

t.test(
  '[O6] a plain connection stands beside extended ones, and is replaced by a newer plain one',
  async (t) => {
    const { alice, bob, b, all } = await devices(t);
    const older = await connect(t, one, alice);
    const plain = await connect(t, two, alice);
    t.strictSame(await older.closed, REPLACED);
    const everyone = [...all, plain];
    b.send('chat', { to_user_id: alice.user_id, content: 'to all' });
    for (const client of everyone) t.equal((await client.next('chat')).content, 'to all');
    plain.send('chat', { to_user_id: bob.user_id, content: 'from the plain one' });
    for (const client of [b, ...all]) t.equal((await client.next('chat')).content, 'from the plain one');
    all[0]?.send('chat', { to_user_id: bob.user_id, content: 'from another' });
    t.equal((await b.next('chat')).content, 'from another');
    await Promise.all(everyone.map((client) => client.barrier()));
    t.equal(plain.of('chat').length, 1, 'it is not given what its user sends');
  },
);

t.test('[P5] what other devices have confirmed waits for the plain one', async (t) => {
  const { alice, b, all } = await devices(t);
  const waiting = async () => {
    const plain = await connect(t, one, alice);
    plain.send('get_offline');
    const { data } = await plain.next('offline_list');
    await plain.barrier();
    await plain.close();
    return data.map((row: { content: string }) => row.content);
  };
  t.strictSame(await waiting(), []);
  b.send('chat', { to_user_id: alice.user_id, content: 'hello' });
  for (const device of all) {
    const { conversation_id, seq } = await device.next('chat');
    device.send('ack', { conversation_id, seq });
    await device.barrier();
  }
  t.strictSame(await waiting(), ['hello']);
  t.strictSame(await waiting(), []);
});

t.test('[P6] what a plain one has confirmed after the others does not come again', async (t) => {
  const { alice, b, laptop } = await devices(t);
  const plain = await connect(t, one, alice, { options: { autoPong: false } });
  const pings: Buffer[] = [];
  plain.socket.on('ping', (payload: Buffer) => pings.push(payload));
  b.send('chat', { to_user_id: alice.user_id, content: 'hello' });
  await plain.next('chat');
  const { conversation_id, seq } = await laptop.next('chat');
  laptop.send('ack', { conversation_id, seq });
  t.equal((await b.next('receipt')).delivered_seq, 1, 'its cursor is there');
  await eventually(() => pings.length > 0, 'no ping');
  for (const payload of pings) plain.socket.pong(payload);
  await plain.barrier();
  const again = await connect(t, one, alice);
  again.send('get_offline');
  t.strictSame((await again.next('offline_list')).data, []);
});

t.test('[O6] where SINGLE_SESSION is set, a newer connection of any kind replaces the older', async (t) => {
  const user = await signUp(single);
  const older = await connectSynced(t, single, user);
  const newer = await connectSynced(t, single, user);
  t.strictSame(await older.closed, REPLACED);
  await newer.barrier();
});

t.test('[O6] of too many devices the one that was silent longest is closed', async (t) => {
  const user = await signUp(one);
  const first = await connect(t, one, user, { extended: true });
  const second = await connect(t, one, user, { extended: true });
  await eventually(() => one.app.hub.connectionsOf(user.user_id)[1]?.silentFor !== 0, 'no time passes');
  await first.barrier();
  for (const _ of upTo(LIMITS.userDevices - 1)) await connect(t, one, user, { extended: true });
  t.strictSame(await second.closed, REPLACED);
  await first.barrier();
  t.equal(one.app.hub.connectionsOf(user.user_id).length, LIMITS.userDevices);
});

t.test('[O6] an instance that was not told that a user is on another one, too, is told again', async (t) => {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, one, bob)];
  const { bus } = two.app;
  const publish = bus.publish.bind(bus);
  let lost = 0;
  bus.publish = async (replica, text) => lost++ > 0 && publish(replica, text);
  t.teardown(() => {
    bus.publish = publish;
  });
  const phone = await connectSynced(t, two, alice);
  const published = () => one.app.hub.counts.published;
  await eventually(() => Reflect.get(one.app.hub, 'ownership').isElsewhere(alice.user_id), 'it is not told');
  const before = published();
  b.send('chat', { to_user_id: alice.user_id, content: 'to both' });
  await Promise.all([a.next('chat'), phone.next('chat')]);
  t.ok(published() > before, 'by way of the bus');
});
