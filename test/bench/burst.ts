import { setTimeout as sleep } from 'node:timers/promises';
import { prepared } from './data.js';
import { openAll, paced, percentile } from './load.js';
import { type Bench, type Figures, round, withReplicas } from './measure.js';
import { flushAll, LoadSocket, mint } from './socket.js';
import { FIRST, SECRET } from './stack.js';

/** Emoji that people react with, as JSON that is ASCII. */
const KINDS = Array.from({ length: 20 }, (_, i) => `\\ud83d\\ude${i.toString(16).padStart(2, '0')}`);

/** A member of a conversation who reacts to its first message, one reaction in effect at a time. */
class Member {
  /** When it was told that the message has changed, answers to its own aside. */
  readonly told: number[] = [];
  /** The newest state that it was given: its change, and its reactions as all see them. */
  change = 0;
  state = '';
  private sent = 0;

  private constructor(
    private readonly socket: LoadSocket,
    private readonly i: number,
    private readonly conversation: number,
  ) {}

  static async open(port: number, i: number, conversation: number): Promise<Member> {
    let synced = () => {};
    const ready = new Promise<void>((resolve) => {
      synced = resolve;
    });
    const socket = await LoadSocket.open(port, mint(FIRST + i, SECRET), () => {}, 'chat.v2');
    const member = new Member(socket, i, conversation);
    socket.onText = (text) => (text.startsWith('{"type":"synced"') ? synced() : member.take(text));
    socket.send(`{"type":"sync","positions":[{"conversation_id":${conversation},"seq":1}]}`);
    flushAll();
    await ready;
    return member;
  }

  private take(text: string) {
    if (text.startsWith('{"type":"error"')) throw new Error(text);
    if (!text.startsWith('{"type":"changed"')) return;
    if (!text.startsWith('{"type":"changed","id"')) this.told.push(performance.now());
    const { change, reactions } = JSON.parse(text);
    if (change <= this.change) return;
    this.change = change;
    this.state = stateOf(reactions);
  }

  /** Reacts, or takes back what it reacted with. */
  react(): void {
    const n = this.sent++;
    const emoji = KINDS[(this.i + (n >> 1)) % KINDS.length];
    this.socket.send(
      `{"type":"react","id":"${n}","conversation_id":${this.conversation},"seq":1,"emoji":"${emoji}","on":${n % 2 === 0}}`,
    );
  }

  end(): void {
    this.socket.end();
  }
}

/** Reactions as all see them. What a socket read is ASCII, so that emoji aren't what they were: their order is. */
const stateOf = (reactions: readonly { count: number; users: number[] }[] = []) =>
  JSON.stringify(reactions.map(({ count, users }) => ({ count, users })));

/** The most of some times that are within a second. */
function mostInASecond(times: readonly number[]): number {
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] ?? 0) - (times[first] ?? 0) >= 1000) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** Members who are all connected and react to one message, so many reactions a second in all: how often each is told. */
export async function burst(bench: Bench, members: number, rate: number): Promise<Figures> {
  let conversation = 0;
  const env = await prepared(bench.stack, async (sql) => {
    const [made] = await sql<{ id: string }[]>`
      insert into conversations (user_a, user_b) values (null, null) returning conversation_id as id`;
    conversation = Number(made?.id);
    await sql`insert into members (user_id, conversation_id)
      select ${FIRST}::int + i, ${conversation}::int from generate_series(0, ${members - 1}::int) i`;
    await sql`insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      values (${conversation}, 1, nextval('message_ids'), ${FIRST}, now(), '~1', 'x')`;
  });
  return withReplicas(bench, env, 1, async (replicas) => {
    const port = replicas[0]?.port ?? 0;
    const all = await openAll(members, (i) => Member.open(port, i, conversation));
    const before = await bench.stack.used(replicas);
    let sent = 0;
    const stop = paced(rate, () => all[sent++ % members]?.react());
    await sleep(bench.seconds * 1000);
    stop();
    await sleep(2000);
    const after = await bench.stack.used(replicas);
    const answer = await fetch(`http://127.0.0.1:${port}/api/conversations/${conversation}/messages/1`, {
      headers: { authorization: `Bearer ${mint(FIRST, SECRET)}` },
    });
    const { data } = JSON.parse(await answer.text());
    for (const member of all) member.end();
    const perSecond = all.map(({ told }) => (told.length * 1000) / ((told.at(-1) ?? 0) - (told[0] ?? 0)));
    const used = after.server + after.postgres - before.server - before.postgres;
    return {
      'reactions/s': Math.round(data.change / bench.seconds),
      'frames/s and device': round(percentile(perSecond, 50)),
      'most in any second': Math.max(...all.map((member) => mostInASecond(member.told))),
      'µs/change': round(used / data.change),
      lost: all.filter(({ change, state }) => change !== data.change || state !== stateOf(data.reactions))
        .length,
    };
  });
}
