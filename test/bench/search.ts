/**
 * Search, by hand: node --import ./test/typescript.mjs test/bench/search.ts [--messages 5000000] [--searches 2000] [--pairs 10000] [--live 60] [--embedded]
 *
 * A third of the messages is in five channels that all 200 users are in, a third in 200 groups of 20, and a third between two; 3 to 12 words
 * of 20,000 each, as often as words are, and every third message Chinese. Then all is indexed, words of every kind are searched by users one
 * after the other, and a word that only others have is timed beside one that nobody has. At the end 200 messages/s are sent for a while, and
 * it is watched how long it takes until a new one is found, and until one that was edited isn't any more.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type postgres from 'postgres';
import { buildApp } from '../../app.js';
import { loadConfig } from '../../plugins/config.js';
import { addUser } from '../../sql/users.js';
import { startPostgres } from '../nodes/postgres.js';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '5000000' },
    searches: { type: 'string', default: '2000' },
    pairs: { type: 'string', default: '10000' },
    live: { type: 'string', default: '60' },
    embedded: { type: 'boolean', default: false },
  },
});
const messages = Number(values.messages);
const USERS = 200;
const VOCABULARY = 20_000;
const HAN = 3000;

let seed = 1;
/** Numbers below 1, the same in each run. */
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 32;
}
const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
const SYLLABLES =
  'a an ar ba be bo ca ce co de di do en er es fa fi fo ga ge go ha he hi in is it ja ka ki la le li lo ma me mi mo na ne no on or pa pe po ra re ri ro sa se si so ta te ti to un us va ve vi wa we zo'.split(
    ' ',
  );
const words = new Set<string>();
while (words.size < VOCABULARY)
  words.add(Array.from({ length: 2 + Math.floor(random() * 3) }, () => pick(SYLLABLES)).join(''));
const vocabulary = [...words];
/** The rarer, the higher. */
const rank = (of: number) => Math.floor(of * random() ** 4);

const han = () => String.fromCharCode(19968 + Math.floor(HAN * random() ** 3));
const text = (i: number) =>
  Math.floor(i / 3) % 3 === 0
    ? Array.from({ length: 6 + (i % 15) }, han).join('')
    : Array.from({ length: 3 + (i % 10) }, () => vocabulary[rank(VOCABULARY)]).join(' ');

const postgresServer = values.embedded ? undefined : await startPostgres();
const folder = await mkdtemp(join(tmpdir(), 'chat-bench-'));
const say = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (since: number) => ((performance.now() - since) / 1000).toFixed(1);

const app = await buildApp(
  loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'warn',
    LIMITS: 'off',
    JWT_SECRET: 'a secret for the bench, long enough to sign',
    ...(postgresServer
      ? { DB_URL: await postgresServer.createDatabase(), REDIS_ADDR: 'memory' }
      : { DATA_DIR: folder }),
  }),
);

/** Fills the database: conversations 1 to 5 are the channels, then groups, then those of two. */
async function fill(sql: postgres.Sql<{ bigint: number }>, ids: readonly number[]): Promise<void> {
  const [first = 0] = ids;
  const groups = 200;
  const twos = 1000;
  await sql.unsafe(
    `insert into conversations (user_a, user_b) select null, null from generate_series(1, ${5 + groups})`,
  );
  await sql.unsafe(`insert into conversations (user_a, user_b)
    select ${first} + least(i % ${USERS}, (i % ${USERS} + 1 + i / ${USERS}) % ${USERS}),
      ${first} + greatest(i % ${USERS}, (i % ${USERS} + 1 + i / ${USERS}) % ${USERS}) from generate_series(0, ${twos - 1}) i`);
  await sql.unsafe(
    `insert into members (user_id, conversation_id) select ${first} + u, c from generate_series(0, ${USERS - 1}) u, generate_series(1, 5) c`,
  );
  await sql.unsafe(`insert into members (user_id, conversation_id)
    select ${first} + (g * 7 + i) % ${USERS}, 5 + g from generate_series(1, ${groups}) g, generate_series(0, 19) i`);
  await sql.unsafe(`insert into members (user_id, conversation_id)
    select user_a, conversation_id from conversations where user_a is not null
    union all select user_b, conversation_id from conversations where user_a is not null`);
  const third = Math.floor(messages / 3);
  const STEP = 30_000;
  // By turns, as conversations go on beside each other.
  const place = `case g % 3 when 0 then 1 + (g / 3) % 5 when 1 then 6 + (g / 3) % ${groups} else ${6 + groups} + (g / 3) % ${twos} end`;
  const seq = `1 + case g % 3 when 0 then (g / 3) / 5 when 1 then (g / 3) / ${groups} else (g / 3) / ${twos} end`;
  for (let from = 0; from < third * 3; from += STEP) {
    const count = Math.min(STEP, third * 3 - from);
    await sql`
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select ${sql.unsafe(place)}, ${sql.unsafe(seq)}, g + 1, ${first}::bigint + g % ${USERS},
        now() - interval '1 s' * (${messages}::bigint - g), '~' || g, content
      from unnest(${`{${Array.from({ length: count }, (_, i) => text(from + i)).join()}}`}::text[]) with ordinality t(content, i),
        lateral (select ${from}::bigint + i - 1 as g) g`;
  }
  // What the first user can't see.
  await sql.unsafe(
    `update messages set content = content || ' xqvkzj' where seq % 97 = 1 and conversation_id not in (select conversation_id from members where user_id = ${first})`,
  );
  await sql.unsafe(`select setval('message_ids', ${third * 3 + 1})`);
  await sql.unsafe(`delete from search_marks`);
  await sql.unsafe('vacuum analyze').catch(() => {});
}

const { sql } = app.db;
await sql.unsafe('set statement_timeout = 0');
const ids: number[] = [];
for (let i = 0; i < USERS; i++) ids.push((await addUser(sql, `user-${i}`, 'no hash')) ?? 0);
const filling = performance.now();
await fill(sql, ids);
say(`${messages} messages made in ${seconds(filling)} s`);

const indexing = performance.now();
const url = await app.listen({ host: '127.0.0.1', port: 0 });
await sql`update search_state set snapshot = null, swept = 0`;
const { indexer } = app.searching;
const { rest } = indexer;
indexer.rest = 0;
while (indexer.indexed < messages - 3) await new Promise((resolve) => setTimeout(resolve, 200));
const took = performance.now() - indexing;
say(
  `indexed in ${(took / 1000).toFixed(1)} s: ${((took * 1000) / messages).toFixed(1)} µs a message, ${((indexer.spentMs * 1000) / messages).toFixed(1)} of them the server's own`,
);
const [sizes] =
  await sql`select pg_total_relation_size('messages') as messages, pg_total_relation_size('search_blocks') as blocks`;
say(
  `messages ${Math.round(sizes?.messages / 1e6)} MB, index ${Math.round(sizes?.blocks / 1e6)} MB: ${((100 * sizes?.blocks) / sizes?.messages).toFixed(0)} %`,
);
await sql.unsafe('vacuum analyze search_blocks').catch(() => {});

const tokens = ids.map((id, i) => app.tokens.sign({ user_id: id, username: `user-${i}` }, undefined, 86_400));
/** Processor time of this process and of PostgreSQL so far, in milliseconds: what others want of the machine is no part of it. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  let total = (user + system) / 1000;
  if (postgresServer === undefined) return total;
  const [parent = ''] = readFileSync(join(postgresServer.data, 'postmaster.pid'), 'utf8').split('\n');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      const [, , , of] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/ (?![^(]*\))/);
      if (of === parent) total += Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    } catch {
      // It has just ended.
    }
  return total;
}

async function search(token: string | undefined, query: string, cursor?: number) {
  const since = performance.now();
  const response = await fetch(
    `${url}/api/search?query=${encodeURIComponent(query)}${cursor === undefined ? '' : `&cursor=${cursor}`}`,
    {
      headers: { authorization: `Bearer ${token}` },
    },
  );
  const { data } = JSON.parse(await response.text());
  return { ms: performance.now() - since, data };
}
const KINDS: Record<string, () => string> = {
  'a word as they are used': () => vocabulary[rank(VOCABULARY)] ?? '',
  'any word': () => pick(vocabulary) ?? '',
  'part of a word': () => (pick(vocabulary) ?? '').slice(0, 4),
  'two words': () => `${vocabulary[rank(VOCABULARY)]} ${vocabulary[rank(VOCABULARY)]}`,
  'a word that nobody has': () => `${pick(vocabulary)?.slice(0, 3)}${pick(SYLLABLES)}${pick(SYLLABLES)}q`,
  'one Chinese character': han,
  'two Chinese characters': () => han() + han(),
  'three Chinese characters': () => han() + han() + han(),
};
const percentile = (of: number[], share: number) =>
  of.toSorted((x, y) => x - y)[Math.floor((of.length - 1) * share)] ?? 0;
const every: number[] = [];
const everyCpu: number[] = [];
const kinds = Object.entries(KINDS);
for (const [name, make] of kinds) {
  const times: number[] = [];
  const cpu: number[] = [];
  let goesOn = 0;
  let empty = 0;
  let pages = 0;
  for (let i = 0; i < Number(values.searches) / kinds.length; i++) {
    const token = pick(tokens);
    const query = make();
    const before = spent();
    let { ms, data } = await search(token, query);
    cpu.push(spent() - before);
    times.push(ms);
    if (data.messages.length === 0) empty++;
    if (data.messages.length < 20 && data.next_cursor !== null) goesOn++;
    for (pages++; data.messages.length < 20 && data.next_cursor !== null; pages++)
      ({ data } = await search(token, query, data.next_cursor));
  }
  every.push(...times);
  everyCpu.push(...cpu);
  say(
    `${name}: p50 ${percentile(times, 0.5).toFixed(1)} ms, p95 ${percentile(times, 0.95).toFixed(1)} ms, of processor time ${percentile(cpu, 0.5).toFixed(1)} and ${percentile(cpu, 0.95).toFixed(1)}; ${empty} empty, ${goesOn} go on, ${(pages / times.length).toFixed(1)} answers to a full page or the end`,
  );
}
say(
  `all: p50 ${percentile(every, 0.5).toFixed(1)} ms, p95 ${percentile(every, 0.95).toFixed(1)} ms, of processor time ${percentile(everyCpu, 0.5).toFixed(1)} and ${percentile(everyCpu, 0.95).toFixed(1)}`,
);

// The first user is in none of those conversations.
const [token] = tokens;
const times: [number[], number[]] = [[], []];
for (let i = 0; i < Number(values.pairs); i++)
  for (const which of i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
    times[which].push((await search(token, which === 0 ? 'xqvkzj' : 'xqvzkj')).ms);
const [others, nobody] = times.map((of) => percentile(of, 0.5));
say(
  `median for a word of others ${others?.toFixed(3)} ms, of nobody ${nobody?.toFixed(3)} ms: ${((100 * (others ?? 0)) / (nobody ?? 1) - 100).toFixed(2)} %`,
);

indexer.rest = rest;
/** A request of the first user. @returns what it is answered */
async function ask(method: string, path: string, body: object) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) });
  const answer = JSON.parse(await response.text());
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer.data;
}
/** Milliseconds until a search for a word has so many hits. */
async function until(word: string, hits: number): Promise<number> {
  const since = performance.now();
  while ((await search(token, word)).data.messages.length !== hits)
    await new Promise((resolve) => setTimeout(resolve, 100));
  return performance.now() - since;
}
const LIVE = 200;
let sent = 0;
const started = performance.now();
const sending = setInterval(() => {
  for (; sent < ((performance.now() - started) * LIVE) / 1000; sent++)
    void ask('POST', '/api/messages', {
      to_user_id: ids[1 + (sent % (USERS - 1))],
      content: text(sent),
    });
}, 20);
const found: number[] = [];
const gone: number[] = [];
while (performance.now() - started < Number(values.live) * 1000) {
  const word = `neverbefore${found.length}`;
  const { conversation_id, seq } = await ask('POST', '/api/messages', { to_user_id: ids[1], content: word });
  found.push(await until(word, 1));
  await ask('PATCH', `/api/conversations/${conversation_id}/messages/${seq}`, { content: 'another text' });
  gone.push(await until(word, 0));
}
clearInterval(sending);
say(
  `at ${LIVE} messages/s (${sent} in all), ${found.length} times: found after p50 ${percentile(found, 0.5).toFixed(0)} ms, at most ${percentile(found, 1).toFixed(0)}; edited, gone after p50 ${percentile(gone, 0.5).toFixed(0)}, at most ${percentile(gone, 1).toFixed(0)}`,
);

await app.close();
await postgresServer?.stop();
await rm(folder, { recursive: true, force: true });
process.exit(0);
