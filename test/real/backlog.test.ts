/** Fifty thousand messages that wait for one user. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import WebSocket from 'ws';
import { build, type Server, signUp, type User, undelivered, unfetched } from '../helper.js';

t.setTimeout(240_000);
const DEBTS = 50_000;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
/** Bytes that are in use, without what is only waiting to be collected. */
function memory(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const server: Server = await build(t);
const { sql } = server.app.db;

/** Puts the messages of five senders there, as if they had been stored while the user was away. */
async function owe(user: User): Promise<void> {
  const senders = await Promise.all(Array.from({ length: 5 }, () => signUp(server)));
  const ids = `{${senders.map((sender) => sender.user_id).join()}}`;
  await sql`
    with made as (
      insert into conversations (user_a, user_b)
      select least(s, ${user.user_id}), greatest(s, ${user.user_id}) from unnest(${ids}::bigint[]) s
      returning conversation_id, user_a, user_b
    )
    insert into members (user_id, conversation_id)
    select user_a, conversation_id from made union all select user_b, conversation_id from made`;
  await sql`
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select conversation_id, i, nextval('message_ids'), user_a + user_b - ${user.user_id}, now(), '~test.' || i,
        i || repeat(' what somebody says', 8)
      from generate_series(1, ${DEBTS / 5}::int) i, conversations where ${user.user_id} in (user_a, user_b)
      order by i, conversation_id`;
}
const owed = async (user: User, kind: typeof unfetched) => (await kind(server, user.user_id)).length;

/** Opens a socket whose frames are counted and dropped: only the server's memory is to be seen. */
function open(user: User, extended: boolean, take: (frame: never, socket: WebSocket) => void): WebSocket {
  const socket = new WebSocket(
    `${server.url.replace('http', 'ws')}/ws?token=${user.token}`,
    extended ? ['chat.v2'] : [],
  );
  socket.on('message', (data) => take(JSON.parse(data.toString()) as never, socket));
  socket.on('error', () => {});
  t.teardown(() => socket.terminate());
  return socket;
}

t.test(
  'a plain client fetches them all, none is lost when it breaks off, and memory stays small',
  async (t) => {
    const user = await signUp(server);
    await owe(user);
    const ids = new Set<number>();
    let most = 0;
    const base = memory();
    /** Fetches until so many rows came, or all. */
    const fetchUntil = (enough: number) =>
      new Promise<number>((resolve) => {
        let rows = 0;
        let last = 0;
        const socket = open(user, false, (frame: { type: string; data: { msg_id: number }[] }) => {
          if (frame.type !== 'offline_list') return;
          for (const { msg_id } of frame.data) {
            if (msg_id <= last) t.fail(`${msg_id} comes after ${last}`);
            last = msg_id;
            ids.add(msg_id);
          }
          rows += frame.data.length;
          if (rows % 10_000 === 0) most = Math.max(most, memory() - base);
          if (rows < enough && ids.size < DEBTS) return;
          if (ids.size < DEBTS) socket.terminate();
          else socket.close();
          socket.once('close', () => resolve(rows));
        });
        socket.once('open', () => socket.send('{"type":"get_offline"}'));
      });
    const first = await fetchUntil(DEBTS / 2);
    const second = await fetchUntil(DEBTS);
    t.comment(`${first} rows, then ${second}; memory grew by ${(most / 2 ** 20).toFixed(1)} MB`);
    t.equal(ids.size, DEBTS);
    t.ok(first + second <= DEBTS + 2000, 'only what was not confirmed comes again');
    t.ok(most < 50 * 2 ** 20, `memory grew by ${most} bytes`);
    await Reflect.get(server.app.hub, 'moves').flush();
    t.ok((await owed(user, unfetched)) <= 1000, 'what was confirmed is forgotten');
  },
);

t.test('an extended client fetches them page by page, and acknowledges', async (t) => {
  const user = await signUp(server);
  await owe(user);
  const base = memory();
  let most = 0;
  let count = 0;
  const places = new Map<number, number>();
  await new Promise<void>((resolve, reject) => {
    const take = (frame: { type: string; conversation_id: number; seq: number }, socket: WebSocket) => {
      if (frame.type === 'welcome') socket.send('{"type":"sync","positions":[]}');
      else if (frame.type === 'synced') resolve();
      else if (frame.type === 'chat') {
        const { conversation_id, seq } = frame;
        if (seq !== (places.get(conversation_id) ?? 0) + 1) reject(new Error(`a hole before ${seq}`));
        places.set(conversation_id, seq);
        count++;
        if (count % 10_000 === 0) most = Math.max(most, memory() - base);
        if (seq % 250 === 0) socket.send(JSON.stringify({ type: 'ack', conversation_id, seq }));
      }
    };
    open(user, true, take);
  });
  t.comment(`memory grew by ${(most / 2 ** 20).toFixed(1)} MB`);
  t.equal(count, DEBTS);
  t.ok(most < 50 * 2 ** 20, `memory grew by ${most} bytes`);
  await Reflect.get(server.app.hub, 'moves').flush();
  t.equal(await owed(user, undelivered), 0);
});
