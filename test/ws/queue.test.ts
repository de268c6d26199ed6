/** Whoever asks much of the log, or the same again, beside those who don't. */
import t, { type Test } from 'tap';
import { build, connectSynced, eventually, signUp } from '../helper.js';

const server = await build(t);
/** What was stored through it the first one has not met. */
const elsewhere = await build(t, {}, server);
const { messages, db } = server.app;
const queued = (): number => Reflect.get(messages, 'queue').size;

/** Keeps the log from its next question. @returns what lets it ask */
async function hold(t: Test): Promise<() => void> {
  const { log } = db;
  const ask = log.ask.bind(log);
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  log.ask = async (question, ms) => {
    await gate;
    return ask(question, ms);
  };
  t.teardown(() => {
    log.ask = ask;
  });
  // Somebody whom nobody waits for has the turn.
  const [one, other] = [await signUp(server), await signUp(server)];
  const client = await connectSynced(t, server, one);
  client.send('chat', { to_user_id: other.user_id, content: 'first' });
  await eventually(() => Reflect.get(messages, 'running') && queued() === 0, 'the log does not begin');
  return go;
}

t.test('[B6] who floods delays nobody else: senders take turns', async (t) => {
  const [flooder, polite, bob] = [await signUp(server), await signUp(server), await signUp(server)];
  const flood = await connectSynced(t, server, flooder);
  const few = await connectSynced(t, server, polite);
  const go = await hold(t);
  const n = 900;
  for (let i = 1; i <= n; i++)
    flood.send('chat', { id: `${i}`, to_user_id: bob.user_id, content: 'x'.repeat(3800) });
  await eventually(() => queued() === n, 'not all of the flood waits');
  for (const id of ['a', 'b']) few.send('chat', { id, to_user_id: bob.user_id, content: id });
  await eventually(() => queued() === n + 2, 'the others do not wait');
  go();
  await few.until(() => few.of('sent').length === 2, 'they are not stored');
  await flood.until(() => flood.of('sent').length === n, 'the flood is not stored');
  const all = [...flood.of('sent'), ...few.of('sent')].sort((x, y) => x.msg_id - y.msg_id);
  // So many have room in one turn.
  t.ok(all.findIndex(({ id }) => id === 'a') < 20, 'behind one turn of the flood');
  t.equal(
    all.findIndex(({ id }) => id === 'b'),
    all.findIndex(({ id }) => id === 'a') + 1,
  );
  t.strictSame(
    flood.of('sent').map(({ id }) => Number(id)),
    Array.from({ length: n }, (_, i) => i + 1),
    'each in its own order',
  );
});

t.test('[X6] who says again what is stored costs others nothing', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  const there = await connectSynced(t, elsewhere, alice);
  for (const id of ['one', 'two', 'three']) there.send('chat', { id, to_user_id: bob.user_id, content: id });
  await there.until(() => there.of('sent').length === 3, 'not all are stored');
  const stored = there.of('sent');
  await b.until(() => b.of('chat').length === 3, 'not all came');
  b.send('ack', { conversation_id: stored[0]?.conversation_id, seq: 3 });

  /** Statements for a batch in which one says an old id again and another something new. */
  const statements = async (id: string) => {
    const go = await hold(t);
    const before = messages.counts.statements;
    a.send('chat', { id, to_user_id: bob.user_id, content: id });
    await eventually(() => queued() === 1, 'it does not wait');
    const [sentA, sentB] = [a.of('sent').length, b.of('sent').length];
    b.send('chat', { id: `new-${id}`, to_user_id: alice.user_id, content: 'new' });
    await eventually(() => queued() === 2, 'the other does not wait');
    go();
    await a.until(() => a.of('sent').length > sentA, 'it is not answered');
    await b.until(() => b.of('sent').length > sentB, 'the new one is not stored');
    const [again] = a.of('sent').slice(-1);
    const [first] = stored.filter((sent) => sent.id === id);
    t.strictSame(again, first);
    return messages.counts.statements - before;
  };
  t.equal(await statements('one'), 3, 'a batch that fails, a look, and the rest of it');
  t.equal(await statements('two'), 2, 'a batch of the others, and a look');
  t.equal(await statements('three'), 2);
});

t.test('[B6] who said something again is refused at once, too, where nothing can be stored', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const [a, there] = [await connectSynced(t, server, alice), await connectSynced(t, elsewhere, alice)];
  const say = (id: string, by = a) => by.send('chat', { id, to_user_id: bob.user_id, content: id });
  say('one', there);
  await there.next('sent');
  say('one');
  await a.next('sent');
  const { log } = db;
  const { ask } = log;
  log.ask = async () => {
    throw Object.assign(new Error('nobody listens'), { code: 'ECONNREFUSED' });
  };
  say('two');
  const { id, code } = await a.next('error').finally(() => {
    log.ask = ask;
  });
  t.strictSame([id, code], ['two', 'unavailable']);
  await eventually(() => messages.works, 'it is not noticed that the database is back');
});
