import { setTimeout as sleep } from 'node:timers/promises';
import type postgres from 'postgres';
import { prepared } from './data.js';
import { ExtendedUser } from './extended.js';
import { Ledger, openAll, openUser, paced, percentile } from './load.js';
import { type Bench, clocked, type Figures, measure, round, withReplicas } from './measure.js';
import { flushAll, mint } from './socket.js';
import { FIRST, SECRET } from './stack.js';

/** A group that is made by SQL: its first members are the first users. */
interface Group {
  kind: 'group' | 'channel';
  members: number;
  /** The place of its first member among the users. */
  first?: number;
  /** Messages that are there, besides what made it. */
  messages?: number;
}

/** @returns the number of its conversation */
export async function make(
  sql: postgres.Sql,
  { kind, members, first = 0, messages = 0 }: Group,
): Promise<number> {
  const owner = FIRST + first;
  const [made] = await sql<{ id: string }[]>`
    insert into conversations (user_a, user_b) values (null, null) returning conversation_id as id`;
  const id = Number(made?.id);
  await sql`insert into groups (conversation_id, kind, title, title_key, history, members, made_by)
    values (${id}, ${kind}, 'A group', 'a group', 'all', ${members}, ${owner})`;
  await sql`insert into members (user_id, conversation_id, role, joined_seq)
    select ${owner}::int + i, ${id}::int, case when i = 0 then 2 else 0 end, 1 from generate_series(0, ${members - 1}::int) i`;
  await sql`
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content, kind, extra)
    values (${id}, 1, nextval('message_ids'), ${owner}, now(), '~made', '', 'event', '{"action":"made","title":"A group"}')`;
  await sql`
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select ${id}::int, 1 + i, nextval('message_ids'), ${owner}::int, now() - interval '1 day', '~' || i, repeat('x', 100)
    from generate_series(1, ${messages}::int) i`;
  return id;
}

/** Who of a group is connected. */
interface Present {
  /** Those who are given its messages, and write in turn. */
  live: number;
  /** Those who are told only how far it goes. */
  parked?: number;
}

/** How much is said: so many messages a second, or so many that are always under way. */
type Pace = { rate: number } | { inFlight: number };

/** A group in which those write in turn who are given what is said: what a message costs, and what it costs to give it to each. */
export async function groupAt(bench: Bench, group: Group, present: Present, pace: Pace): Promise<Figures> {
  const { live, parked = 0 } = present;
  let id = 0;
  const env = await prepared(bench.stack, async (sql) => {
    id = await make(sql, group);
  });
  return withReplicas(bench, env, 1, async (replicas) => {
    const ledger = new Ledger(live - 1);
    let heads = 0;
    const users = await openAll(live + parked, async (i) => {
      const user = await ExtendedUser.open(replicas[0]?.port ?? 0, i);
      user.onChat = ledger.take;
      user.onHead = () => heads++;
      if (i >= live || parked > 0) user.show(i < live ? [id] : []);
      await user.sync();
      return user;
    });
    let turn = 0;
    const stop = begin(pace, ledger, live - 1, (due) => {
      const from = turn++ % live;
      users[from]?.chatIn(id, ledger.next(from, due));
    });
    await sleep(2000);
    const headsBefore = heads;
    const { 'messages/s': given = 0, ...figures } = await measure(bench, replicas, ledger);
    const each = (name: string) => figures[name] ?? Number.NaN;
    const messages = given / (live - 1);
    const headRate = Math.round((heads - headsBefore) / bench.seconds);
    stop();
    await ledger.drain();
    for (const user of users) user.end();
    return {
      'messages/s': Math.round(messages),
      'given/s': given,
      ...(parked > 0 && { 'heads/s': headRate }),
      'p50 ms': each('p50 ms'),
      'p99 ms': each('p99 ms'),
      'server µs for each given': each('server µs'),
      'server µs a message': round((each('server µs') * given) / messages),
      'postgres µs a message': round((each('postgres µs') * given) / messages),
      cores: each('cores'),
      ...{ lost: ledger.lost, doubled: ledger.doubled },
    };
  });
}

/** Has messages said at a pace. @param say when it is due @returns ends it */
function begin(pace: Pace, ledger: Ledger, receivers: number, say: (due?: number) => void): () => void {
  if ('rate' in pace) return paced(pace.rate, say);
  let arrived = 0;
  ledger.onArrival = () => {
    if (++arrived % receivers === 0) say();
  };
  for (let i = 0; i < pace.inFlight; i++) say();
  flushAll();
  return () => {
    ledger.onArrival = () => {};
  };
}

/** The same of the libraries alone: what one says is passed on to all others, and nothing is stored. */
export const bareGroup = (bench: Bench, members: number, rate: number, script: string): Promise<Figures> =>
  withReplicas(
    bench,
    {},
    1,
    async (replicas) => {
      const ledger = new Ledger(members - 1);
      const sockets = await openAll(members, (i) => openUser(replicas[0]?.port ?? 0, i, ledger.take));
      let turn = 0;
      const stop = paced(rate, (due) => {
        const from = turn++ % members;
        sockets[from]?.send(`{"type":"chat","content":"${ledger.next(from, due)}"}`);
      });
      await sleep(2000);
      const { 'messages/s': given = 0, ...figures } = await measure(bench, replicas, ledger);
      stop();
      await ledger.drain();
      for (const socket of sockets) socket.end();
      return {
        'given/s': given,
        'server µs for each given': figures['server µs'] ?? Number.NaN,
        ...{ lost: ledger.lost, doubled: ledger.doubled },
      };
    },
    script,
  );

/** A channel of very many, of whom few have it open, beside a group of those few. */
export async function channelBesideGroup(
  bench: Bench,
  members: number,
  live: number,
  parked: number,
  pace: Pace,
): Promise<Figures> {
  const group = await groupAt(bench, { kind: 'group', members: live }, { live }, pace);
  const channel = await groupAt(bench, { kind: 'channel', members }, { live, parked }, pace);
  const figures: Figures = {};
  for (const [name, value] of Object.entries(channel)) {
    const other = group[name];
    if (name === 'lost' || name === 'doubled') figures[name] = value + (other ?? 0);
    else if (other === undefined) figures[`channel ${name}`] = value;
    else
      Object.assign(figures, {
        [`group ${name}`]: other,
        [`channel ${name}`]: value,
        [`ratio ${name}`]: round(value / other, 2),
      });
  }
  return figures;
}

/**
 * A closed loop in many groups of one size, with a writer and a reader in each who keep so many messages under way: what a message costs
 * where batches are full.
 */
export async function groupsFull(
  bench: Bench,
  count: number,
  members: number,
  inFlight: number,
): Promise<Figures> {
  const ids: number[] = [];
  // Who isn't there needs no row in `users`.
  const first = (i: number) => i * members;
  const env = await prepared(bench.stack, async (sql) => {
    for (let i = 0; i < count; i++)
      ids.push(await make(sql, { kind: members > 1000 ? 'channel' : 'group', members, first: first(i) }));
  });
  return withReplicas(bench, env, 1, async (replicas) => {
    const ledger = new Ledger();
    const port = replicas[0]?.port ?? 0;
    const pairs = await openAll(count, async (i) => {
      const writer = await ExtendedUser.open(port, first(i));
      const reader = await ExtendedUser.open(port, first(i) + 1);
      reader.onChat = ledger.take;
      await writer.sync();
      await reader.sync();
      return { writer, reader };
    });
    const say = (i: number) => pairs[i]?.writer.chatIn(ids[i] ?? 0, ledger.next(i));
    let running = true;
    ledger.onArrival = (i) => {
      if (running) say(i);
    };
    for (let i = 0; i < count * inFlight; i++) say(i % count);
    flushAll();
    await sleep(3000);
    const figures = await measure(bench, replicas, ledger);
    running = false;
    await ledger.drain();
    for (const { writer, reader } of pairs) {
      writer.end();
      reader.end();
    }
    return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
  });
}

const TRIES = 20;

/** How long one waits who joins a channel of so many messages, until its last page is there. */
export async function joining(bench: Bench, messages: number): Promise<Figures> {
  let id = 0;
  const env = await prepared(bench.stack, async (sql) => {
    id = await make(sql, { kind: 'channel', members: 1, messages });
  });
  return withReplicas(bench, env, 1, async ([replica]) => {
    const port = replica?.port ?? 0;
    const times: number[] = [];
    const frames: number[] = [];
    for (let i = 1; i <= TRIES; i++) {
      const user = await ExtendedUser.open(port, i);
      user.show([]);
      await user.sync();
      let count = 0;
      const last = `"seq":${1 + messages + i},`;
      const { ms } = await clocked(async () => {
        const all = new Promise<void>((resolve) => {
          user.onAny = (text) => {
            count++;
            if (text.includes('"event"') && text.includes(last)) resolve();
          };
        });
        user.show([id]);
        const answer = await fetch(`http://127.0.0.1:${port}/api/conversations/${id}/join`, {
          method: 'POST',
          headers: { authorization: `Bearer ${mint(FIRST + i, SECRET)}` },
        });
        if (!answer.ok) throw new Error(`not joined: ${answer.status}`);
        await all;
      });
      times.push(ms);
      frames.push(count);
      user.end();
    }
    return {
      'joins in ms': round(percentile(times, 50)),
      [`joins in ms, slowest of ${TRIES}`]: round(percentile(times, 100)),
      'frames at most': Math.max(...frames),
    };
  });
}
