/** PostgreSQL that answers nothing, or is killed in the middle of commits. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { build, type Client, connect, connectSynced, eventually, signUp } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';

t.setTimeout(240_000);

const postgres = await startPostgres();
t.teardown(() => postgres.stop());
const server = await build(t, { DB_URL: await postgres.createDatabase(), REPAIR_SECONDS: '1' });

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const pair = async () => [await signUp(server), await signUp(server)] as const;
const works = () =>
  eventually(async () => (await server.request('GET', '/readyz')).status === 200, 'it does not recover');

/** A client that sends each message again until it is stored, as a good client does. */
class Outbox {
  readonly stored = new Map<string, { seq: number; msg_id: number }>();
  readonly failures: { code: string; after: number }[] = [];
  private readonly waiting = new Map<string, number>();

  constructor(
    readonly client: Client,
    readonly to: number,
  ) {
    client.socket.on('message', () => {
      const frame = client.frames.at(-1);
      const since = this.waiting.get(frame.id);
      if (since === undefined) return;
      this.waiting.delete(frame.id);
      if (frame.type === 'sent') this.stored.set(frame.id, { seq: frame.seq, msg_id: frame.msg_id });
      else if (frame.type === 'error') {
        this.failures.push({ code: frame.code, after: performance.now() - since });
        if (!frame.retryable) throw new Error(`failed for good: ${JSON.stringify(frame)}`);
        setTimeout(() => this.send(frame.id), 100);
      }
    });
  }

  send(id: string): void {
    this.waiting.set(id, performance.now());
    this.client.send('chat', { id, to_user_id: this.to, content: id });
  }
}

/** That the log holds each of these messages once, without a hole, and the receiver was given each once. */
async function isWhole(outbox: Outbox, receiver: Client, from: number, ids: string[]): Promise<void> {
  const rows = await server.app.db.sql<{ seq: number; msg_id: number; client_id: string }[]>`
    select seq, msg_id, client_id from messages where from_user_id = ${from} order by seq`;
  t.strictSame(rows.map((row) => row.client_id).sort(), [...ids].sort());
  t.strictSame(
    rows.map((row) => row.seq),
    upTo(ids.length),
  );
  for (const { client_id, seq, msg_id } of rows) t.strictSame(outbox.stored.get(client_id), { seq, msg_id });
  await receiver.until(() => receiver.of('chat').length >= ids.length, 'not all came');
  await receiver.barrier();
  t.strictSame(
    receiver.of('chat').map((frame) => frame.content),
    rows.map((row) => row.client_id),
  );
}

t.test('while PostgreSQL answers nothing sends are refused quickly, and none is lost after', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const outbox = new Outbox(a, bob.user_id);
  outbox.send('before');
  await eventually(() => outbox.stored.has('before'), 'not stored');
  await postgres.pause();
  t.teardown(() => postgres.resume());
  outbox.send('in-doubt');
  await eventually(() => !server.app.messages.works, 'it is not noticed');
  for (const i of upTo(5)) outbox.send(`refused-${i}`);
  await eventually(() => outbox.failures.length >= 5, 'they are not answered');
  for (const { code, after } of outbox.failures.slice(0, 5)) {
    t.equal(code, 'unavailable');
    t.ok(after < 1000, `answered after ${after} ms`);
  }
  t.equal((await server.request('GET', '/readyz')).status, 503);
  t.equal((await server.request('GET', '/healthz')).status, 200);
  // Nothing piles up: what is sent meanwhile is answered and forgotten.
  const flood = await connectSyncedLater();
  t.equal(flood, 503);
  const before = process.memoryUsage().heapUsed;
  const filler = 'x'.repeat(4000);
  const answered = a.of('error').length;
  for (const i of upTo(3000)) a.send('chat', { to_user_id: bob.user_id, content: `${i} ${filler}` });
  await a.until(() => a.of('error').length >= answered + 3000, 'the flood is not answered');
  t.ok(process.memoryUsage().heapUsed - before < 64 * 2 ** 20, 'memory stays bounded');
  await postgres.resume();
  await works();
  const ids = ['before', 'in-doubt', ...upTo(5).map((i) => `refused-${i}`)];
  await eventually(() => ids.every((id) => outbox.stored.has(id)), 'not all are stored in the end');
  await isWhole(outbox, b, alice.user_id, ids);

  async function connectSyncedLater(): Promise<number> {
    const answer = await server.request('POST', '/api/messages', {
      token: alice.token,
      body: { to_user_id: bob.user_id, content: 'by HTTP' },
    });
    return answer.status;
  }
});

t.test('PostgreSQL restarted in the middle of commits: each id is stored once', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  b.socket.on('message', () => {
    const last = b.frames.at(-1);
    if (last.type === 'chat' && last.seq % 10 === 0)
      b.send('ack', { conversation_id: last.conversation_id, seq: last.seq });
  });
  const outbox = new Outbox(a, bob.user_id);
  let sent = 0;
  const ids: string[] = [];
  let restarting = true;
  const load = (async () => {
    while (restarting) {
      for (let i = 0; i < 5; i++) {
        ids.push(`n${++sent}`);
        outbox.send(`n${sent}`);
      }
      await wait(20);
    }
  })();
  for (const how of ['immediate', 'fast', 'immediate'] as const) {
    await wait(500);
    await postgres.restart(how);
    await works();
  }
  restarting = false;
  await load;
  await eventually(() => outbox.stored.size === ids.length, 'not all are stored in the end');
  t.ok(outbox.failures.length > 0, 'some sends met the restart');
  await isWhole(outbox, b, alice.user_id, ids);
});

t.test('what a client asks for while PostgreSQL is away it gets when it is back', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  for (const i of upTo(10)) a.send('chat', { to_user_id: bob.user_id, content: `${i}` });
  await a.until(() => a.of('sent').length === 10, 'not all are stored');
  const b = await connect(t, server, bob);
  await postgres.kill9();
  b.send('get_offline');
  await eventually(async () => (await server.request('GET', '/readyz')).status === 503, 'it is not noticed');
  await postgres.restart('fast');
  t.strictSame(
    (await b.next('offline_list')).data.map((row: { content: string }) => row.content),
    upTo(10).map(String),
  );
});
