import { setTimeout as sleep } from 'node:timers/promises';
import { prepared, talks, withMany } from './data.js';
import { ExtendedUser } from './extended.js';
import { openAll, percentile } from './load.js';
import { type Bench, clocked, type Figures, round, withReplicas } from './measure.js';
import { flushAll, LoadSocket, mint } from './socket.js';
import { FIRST, SECRET } from './stack.js';

/** Messages to which people react, in turn. */
const MESSAGES = 20;
/** 👍, in JSON, which is sent as ASCII. */
const THUMB = '\\ud83d\\udc4d';
/** Milliseconds between two messages of who writes beside them. */
const EVERY_MS = 20;

/** A client that reacts to messages of a conversation, with so many answers awaited, and takes each reaction back in the next round. */
class Reacting {
  changes = 0;
  private sent = 0;
  private isOver = false;

  private constructor(
    private readonly socket: LoadSocket,
    private readonly conversation: number,
  ) {}

  static async open(port: number, i: number, conversation: number, inFlight: number): Promise<Reacting> {
    let take: (text: string) => void = () => {};
    const socket = await LoadSocket.open(port, mint(FIRST + i, SECRET), (text) => take(text), 'chat.v2');
    const client = new Reacting(socket, conversation);
    take = (text) => client.take(text, inFlight);
    socket.send(`{"type":"sync","positions":[{"conversation_id":${conversation},"seq":${MESSAGES}}]}`);
    flushAll();
    return client;
  }

  private take(text: string, inFlight: number) {
    if (text.startsWith('{"type":"synced"')) for (let i = 0; i < inFlight; i++) this.react();
    else if (text.startsWith('{"type":"changed","id"')) {
      this.changes++;
      this.react();
    } else if (text.startsWith('{"type":"error"')) throw new Error(text);
  }

  private react() {
    if (this.isOver) return;
    const n = this.sent++;
    const seq = 1 + (n % MESSAGES);
    const on = Math.floor(n / MESSAGES) % 2 === 0;
    this.socket.send(
      `{"type":"react","id":"${n}","conversation_id":${this.conversation},"seq":${seq},"emoji":"${THUMB}","on":${on}}`,
    );
  }

  end(): void {
    this.isOver = true;
    this.socket.end();
  }
}

/** People who react without pause in one conversation, and one who writes there meanwhile. */
export async function reacting(bench: Bench, people: number, inFlight: number): Promise<Figures> {
  let conversation = 0;
  const env = await prepared(bench.stack, async (sql) => {
    const [made] = await sql<{ id: string }[]>`
      insert into conversations (user_a, user_b) values (null, null) returning conversation_id as id`;
    conversation = Number(made?.id);
    await sql`insert into members (user_id, conversation_id)
      select ${FIRST}::int + i, ${conversation}::int from generate_series(0, ${people}::int) i`;
    await sql`insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select ${conversation}, s, nextval('message_ids'), ${FIRST}, now(), '~' || s, 'x' from generate_series(1, ${MESSAGES}::int) s`;
  });
  return withReplicas(bench, env, 1, async ([replica]) => {
    const port = replica?.port ?? 0;
    const clients = await openAll(people, (i) => Reacting.open(port, i, conversation, inFlight));
    const latencies: number[] = [];
    let sentAt = 0;
    const writer = await LoadSocket.open(
      port,
      mint(FIRST + people, SECRET),
      (text) => {
        if (text.startsWith('{"type":"sent"')) latencies.push(performance.now() - sentAt);
      },
      'chat.v2',
    );
    const timer = setInterval(() => {
      sentAt = performance.now();
      writer.send(`{"type":"chat","id":"${sentAt}","conversation_id":${conversation},"content":"hello"}`);
      flushAll();
    }, EVERY_MS);
    await sleep(2000);
    const count = () => clients.reduce((sum, { changes }) => sum + changes, 0);
    const replicas = replica === undefined ? [] : [replica];
    latencies.length = 0;
    const before = { ...(await bench.stack.used(replicas)), changes: count() };
    const { ms } = await clocked(() => sleep(bench.seconds * 1000));
    const after = { ...(await bench.stack.used(replicas)), changes: count() };
    clearInterval(timer);
    for (const client of clients) client.end();
    writer.end();
    const changes = after.changes - before.changes;
    const each = (part: 'server' | 'postgres' | 'redis') => (after[part] - before[part]) / changes;
    return {
      'changes/s': Math.round((changes * 1000) / ms),
      'µs/change': round(each('server') + each('postgres') + each('redis')),
      'server µs': round(each('server')),
      'postgres µs': round(each('postgres')),
      'p50 ms of sends': round(percentile(latencies, 50), 2),
      'p99 ms of sends': round(percentile(latencies, 99), 2),
    };
  });
}

/** A user who was away while messages that they hold have changed, so many in each of so many conversations. */
export async function syncChanged(bench: Bench, conversations: number, each: number): Promise<Figures> {
  const env = await prepared(bench.stack, async (sql) => {
    await talks(sql, withMany(sql, 0, conversations), each);
    await sql`update messages set change = seq, edited = seq`;
    await sql`insert into changes (conversation_id, change, seq, at) select conversation_id, seq, seq, now() from messages`;
  });
  return withReplicas(bench, env, 1, async ([replica]) => {
    const times: number[] = [];
    for (const until = performance.now() + bench.seconds * 1000; performance.now() < until; ) {
      const user = await ExtendedUser.open(replica?.port ?? 0, 0);
      for (let id = 1; id <= conversations; id++) user.positions.set(id, each);
      times.push((await clocked(() => user.sync())).ms);
      user.end();
    }
    return { 'ms to synced': round(percentile(times, 50)), 'p99 ms': round(percentile(times, 99)) };
  });
}
