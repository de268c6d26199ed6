/** Search: what is found, by whom, and how soon. On PostgreSQL in two collations, too. */
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { Query } from '../plugins/search/query.js';
import { build, eventually, freshStack, REAL, type Server, signUp, type User } from './helper.js';

t.setTimeout(120_000);

/** Texts, and searches with the numbers of those that they find: each is looked for among all. */
const TEXTS = [
  /* 0 */ '你好，我们明天去北京吃烤鸭',
  /* 1 */ '北京的天气很好',
  /* 2 */ '东京塔真高',
  /* 3 */ '鸭',
  /* 4 */ '我在南京，不在北方',
  /* 5 */ 'ﾃｽﾄ です。半角カナ',
  /* 6 */ 'テストは終わりました',
  /* 7 */ 'ありがとう、寿司を食べたい',
  /* 8 */ '집에 가고 싶다',
  /* 9 */ '안녕하세요 여러분'.normalize('NFD'),
  /* 10 */ 'สวัสดีครับ กินข้าวหรือยัง',
  /* 11 */ 'ข้าวผัดกุ้งอร่อย',
  /* 12 */ 'Привет, как дела? Ёжик в тумане',
  /* 13 */ 'ЕЖИК ПРИШЁЛ',
  /* 14 */ 'السَّلَامُ عَلَيْكُمْ',
  /* 15 */ 'والسلام على من اتبع',
  /* 16 */ 'כתיבת שָׁלוֹם לכולם',
  /* 17 */ 'שלום חבר',
  /* 18 */ 'Die Straße ist naß, grüße aus Köln',
  /* 19 */ 'STRASSENBAHN nach KOLN',
  /* 20 */ 'İstanbul’da Iğdır ve ışık',
  /* 21 */ 'istanbul is big, igdir is not',
  /* 22 */ 'Résumé and café, naïve',
  /* 23 */ 'please resume the cafe',
  /* 24 */ 'ＦＵＬＬ ｗｉｄｔｈ １２３',
  /* 25 */ 'full width 123',
  /* 26 */ '👍🏽 well done 👨‍👩‍👧 ❤️',
  /* 27 */ 'thumbs 👍 and ❤ and 👩',
  /* 28 */ 'const foo_bar = (x) => x?.y ?? "none";',
  /* 29 */ 'git commit --amend -m "fix: foo"',
  /* 30 */ 'see https://example.com/a/b?c=1&d=2#e for more',
  /* 31 */ 'see https://example.org/a/b',
  /* 32 */ 'C++ and C# and .NET',
  /* 33 */ 'the party was art for art’s sake',
  /* 34 */ 'state of the art  work',
  /* 35 */ 'art of the state',
  /* 36 */ 'ΟΔΥΣΣΕΥΣ και Οδυσσεύς',
  /* 37 */ 'Łódź, Ærø, œuvre',
  /* 38 */ '50% of 1,000.50 € at 10:30',
  /* 39 */ 'zero\u200bwidth soft\u00adhyphen',
  /* 40 */ 'user@example.com wrote to @bob #channel',
  /* 41 */ 'ok',
  /* 42 */ '𠮷野家で𩸽',
  /* 43 */ 'नमस्ते दुनिया',
  /* 44 */ '我們明天去臺北',
  /* 45 */ 'Việt Nam đẹp lắm',
] as const;

const SEARCHES: [query: string, found: number[]][] = [
  ['鸭', [0, 3]],
  ['京', [0, 1, 2, 4]],
  ['北京', [0, 1]],
  ['明天', [0, 44]],
  ['烤鸭', [0]],
  ['去北京', [0]],
  ['北 京', [0, 1, 4]],
  ['“天气”', [1]],
  ['テスト', [5, 6]],
  ['ﾃｽﾄ', [5, 6]],
  ['寿司', [7]],
  ['食べ', [7]],
  ['집', [8]],
  ['안녕', [9]],
  ['세요 여러', [9]],
  ['ข้าว', [10, 11]],
  ['กุ้ง', [11]],
  ['привет', [12]],
  ['ежик', [12, 13]],
  ['"ёжик"', [12]],
  ['السلام', [14, 15]],
  ['شَر', []],
  ['שלום', [16, 17]],
  ['strasse', [18, 19]],
  ['STRAẞE', [18, 19]],
  ['koln', [18, 19]],
  ['"köln"', [18]],
  ['gruss', [18]],
  ['istanbul', [20, 21]],
  ['IĞDIR', [20, 21]],
  ['ISIK', [20]],
  ['resume', [22, 23]],
  ['café', [22, 23]],
  ['full width 123', [24, 25]],
  ['👍', [26, 27]],
  ['❤️', [26, 27]],
  ['👩', [26, 27]],
  ['foo_bar', [28]],
  ['x?.y', [28]],
  ['--amend', [29]],
  ['https://example.com/a/b?c=1&d=2#e', [30]],
  ['example.', [30, 31, 40]],
  ['c++', [32]],
  ['.net', [32]],
  ['art', [33, 34, 35]],
  ['"state of the art"', [34]],
  ['"art work"', [34]],
  ['"art"', [33, 34, 35]],
  ['"par"', []],
  ['οδυσσευς', [36]],
  ['lodz', [37]],
  ['oeuvre aero', [37]],
  ['1,000.50', [38]],
  ['zerowidth', [39]],
  ['softhyphen', [39]],
  ['@bob', [40]],
  ['ok', [41]],
  ['OK!', [41]],
  ['𩸽', [42]],
  ['नमस्ते', [43]],
  ['viet dep', [45]],
  ['well done 👍', [26]],
  ['nothing has this', []],
];

/** Words that occur in many, so that a block has something in it. */
const NOISE = 'lorem ipsum 天地玄黄 宇宙洪荒 quick brown fox прыгает через 개가 犬は dolor sit amet'.split(
  ' ',
);
const noise = (i: number) =>
  Array.from({ length: 6 }, (_, j) => NOISE[(i * 7 + j * (i % 5)) % NOISE.length]).join(' ');

const ask = (server: Server, user: User, path: string) =>
  server.request('GET', `/api/search?${path}`, { token: user.token });

async function send(server: Server, from: User, to: object, content: string) {
  const { body } = await server.request('POST', '/api/messages', {
    token: from.token,
    body: { ...to, content },
  });
  return body.data;
}

/** Waits until all that is stored is in blocks. */
const indexed = ({ app }: Server) =>
  eventually(async () => {
    const [row] = await app.db.sql`
      select count(*)::int as missing from (
        select conversation_id, max(seq) as seq from messages group by 1
      ) m where m.seq > (select coalesce(sum(indexed), 0) from search_blocks b where b.conversation_id = m.conversation_id)`;
    return row?.missing === 0 && (await app.db.sql`select from search_marks`).length === 0;
  }, 'not all is indexed');

/** All that is found, page by page. */
async function all(server: Server, user: User, query: string, limit = 50): Promise<string[]> {
  const found: string[] = [];
  let cursor: number | null = null;
  do {
    const { status, body } = await ask(
      server,
      user,
      `query=${encodeURIComponent(query)}&limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    if (status !== 200) throw new Error(`${query}: ${body.message}`);
    found.push(
      ...body.data.messages.map(
        (m: { conversation_id: number; seq: number }) => `${m.conversation_id}.${m.seq}`,
      ),
    );
    cursor = body.data.next_cursor;
  } while (cursor !== null);
  return found;
}

async function table(t: Test, server: Server) {
  const [a, b] = [await signUp(server), await signUp(server)];
  const { body } = await server.request('POST', '/api/conversations', {
    token: a.token,
    body: { title: 'Everything', user_ids: [b.user_id] },
  });
  const group = { conversation_id: body.data.conversation_id };
  const places: string[] = [];
  const texts: { at: string; content: string }[] = [];
  const say = async (from: User, to: object, content: string) => {
    const { conversation_id, seq } = await send(server, from, to, content);
    texts.push({ at: `${conversation_id}.${seq}`, content });
    return `${conversation_id}.${seq}`;
  };
  for (const [i, text] of TEXTS.entries()) {
    places.push(
      await say(
        i % 2 === 0 ? a : b,
        i % 3 === 0 ? group : { to_user_id: (i % 2 === 0 ? b : a).user_id },
        text,
      ),
    );
    for (let j = 0; j < 3; j++) await say(a, j === 0 ? group : { to_user_id: b.user_id }, noise(i * 3 + j));
  }
  await indexed(server);
  for (const [said, expected] of SEARCHES) {
    const query = Query.of(said);
    const scanned = texts.filter(({ content }) => query.matches(content) !== undefined).map(({ at }) => at);
    const found = await all(server, a, said, 20);
    t.strictSame(found.toSorted(), scanned.toSorted(), `${said}: as a plain scan of all texts`);
    t.strictSame(
      found.map((at) => places.indexOf(at)).toSorted((x, y) => x - y),
      expected,
      said,
    );
  }
}

const server = await build(t);
t.test('[F1] searches in many scripts find what they should', (t) => table(t, server));

for (const locale of REAL ? ['C', 'en_US.UTF-8'] : [])
  t.test(`the same on PostgreSQL in ${locale}`, async (t) => {
    const env = await freshStack(t);
    const admin = postgres(process.env.TEST_POSTGRES_URL ?? '', { max: 1, onnotice: () => {} });
    const name = `search_${process.pid}_${locale.slice(0, 1).toLowerCase()}`;
    t.teardown(async () => {
      await admin.unsafe(`drop database if exists ${name} with (force)`).catch(() => {});
      await admin.end();
    });
    await admin.unsafe(`create database ${name} locale '${locale}' encoding 'UTF8' template template0`);
    const url = new URL(env.DB_URL ?? '');
    url.pathname = `/${name}`;
    await table(t, await build(t, { ...env, DB_URL: url.href }));
  });

t.test('[F3] pages go on, newest first, until the end, and each message is there once', async (t) => {
  const [a, b] = [await signUp(server), await signUp(server)];
  const sent: string[] = [];
  for (let i = 0; i < 45; i++) {
    const { conversation_id, seq } = await send(
      server,
      a,
      { to_user_id: i % 3 === 0 ? a.user_id : b.user_id },
      `pear ${i}`,
    );
    sent.unshift(`${conversation_id}.${seq}`);
  }
  await indexed(server);
  for (const limit of [1, 7, 50]) t.strictSame(await all(server, a, 'pear', limit), sent, `${limit} a page`);
});

t.test('it can be narrowed down, and says where things stand', async (t) => {
  const [a, b, c] = [await signUp(server), await signUp(server), await signUp(server, 'Zoë the plum')];
  const first = await send(server, a, { to_user_id: b.user_id }, 'a plum, and another plum');
  const second = await send(
    server,
    b,
    { to_user_id: a.user_id },
    `${'x'.repeat(300)} the plúm stands far behind ${'y '.repeat(200)}`,
  );
  const third = await send(server, c, { to_user_id: a.user_id }, 'plum of c');
  await indexed(server);
  const find = async (more: string, query = 'plum') => {
    const { status, body } = await ask(server, a, `query=${encodeURIComponent(query)}${more}`);
    return {
      status,
      error: body.error,
      ...body.data,
      seqs: body.data?.messages.map((m: { msg_id: number }) => m.msg_id),
    };
  };
  const everything = await find('');
  t.strictSame(everything.seqs, [third.msg_id, first.msg_id, second.msg_id], 'the very accents come first');
  t.strictSame(
    everything.messages.map(({ exact }: { exact: boolean }) => exact),
    [true, true, false],
  );
  t.strictSame(everything.users, [{ user_id: c.user_id, username: 'Zoë the plum' }]);
  t.strictSame([everything.next_cursor, everything.indexed], [null, 1]);
  t.strictSame(everything.messages[1].excerpt, {
    text: 'a plum, and another plum',
    marks: [
      [2, 6],
      [20, 24],
    ],
    cut_before: false,
    cut_after: false,
  });
  const { excerpt } = everything.messages[2];
  const [[from, to]] = excerpt.marks;
  t.strictSame([excerpt.text.slice(from, to), excerpt.cut_before, excerpt.cut_after], ['plúm', true, true]);
  t.strictSame((await find(`&conversation_id=${third.conversation_id}`)).seqs, [third.msg_id]);
  t.strictSame((await find(`&from=${b.user_id}`)).seqs, [second.msg_id]);
  t.strictSame((await find(`&after=${encodeURIComponent(third.created_at)}`)).seqs, [third.msg_id]);
  t.strictSame((await find(`&before=${encodeURIComponent(second.created_at)}`)).seqs, [first.msg_id]);
  t.strictSame((await find('&after=2999-01-01')).seqs, []);
  const made = await server.request('POST', '/api/conversations', {
    token: a.token,
    body: { title: 'Plüm lovers' },
  });
  t.strictSame((await find('')).conversations, [
    { conversation_id: made.body.data.conversation_id, kind: 'group', title: 'Plüm lovers' },
  ]);
  for (const short of ['a', 'ö ?', ' ', '"', '…'])
    t.equal((await find('', short)).error, 'query_too_short', short);
  t.equal((await find('', 'ab '.repeat(17))).error, 'query_too_long');
  t.equal((await find('', 'a'.repeat(257))).error, 'bad_request');
  t.equal((await find('&before=2024-13-41')).error, 'bad_request');
  t.equal((await find('&conversation_id=999999')).error, 'conversation_not_found');
});

t.test('[F2] what one may not see is in nothing that is found', async (t) => {
  const [a, b, c] = [await signUp(server), await signUp(server), await signUp(server)];
  await send(server, a, { to_user_id: b.user_id }, 'kumquat between two');
  const { body } = await server.request('POST', '/api/conversations', {
    token: a.token,
    body: { title: 'Kumquats', user_ids: [b.user_id], history: 'joining' },
  });
  const id = body.data.conversation_id;
  await send(server, a, { conversation_id: id }, 'kumquat before');
  const change = (method: string, path: string, more?: object) =>
    server.request(method, `/api/conversations/${id}/members${path}`, {
      token: a.token,
      ...(more && { body: more }),
    });
  await change('POST', '', { user_ids: [c.user_id] });
  const seen = await send(server, a, { conversation_id: id }, 'kumquat while there');
  await change('DELETE', `/${c.user_id}`);
  await send(server, a, { conversation_id: id }, 'kumquat after');
  await indexed(server);
  t.strictSame(await all(server, c, 'kumquat'), [`${id}.${seen.seq}`]);
  t.equal((await all(server, a, 'kumquat')).length, 4);
  const asked = await ask(server, c, 'query=kumquat');
  t.strictSame(asked.body.data.conversations, [], 'nor the name of the group that they have left');
});

t.test('[F5] what was done to a group is not found', async (t) => {
  const a = await signUp(server);
  const made = await server.request('POST', '/api/conversations', {
    token: a.token,
    body: { title: 'Loquat' },
  });
  const group = { conversation_id: made.body.data.conversation_id };
  const { seq } = await send(server, a, group, 'a loquat');
  await indexed(server);
  t.strictSame(await all(server, a, 'loquat'), [`${group.conversation_id}.${seq}`]);
});

t.test(
  '[F4] what is changed is found as it is now, by an indexer that is ended and started again, too',
  async (t) => {
    const env = { INSTANCE_ID: 'changes', ...(await freshStack(t)) };
    const one = await build(t, env);
    const [a, b] = [await signUp(one), await signUp(one)];
    const texts = Array.from({ length: 40 }, (_, i) => `quince ${i}`);
    const sent: { conversation_id: number; seq: number }[] = [];
    for (const text of texts) sent.push(await send(one, a, { to_user_id: b.user_id }, text));
    await indexed(one);
    const change = async (seq: number, content?: string) => {
      const path = `/api/conversations/${sent[0]?.conversation_id}/messages/${seq}`;
      const body = content === undefined ? {} : { body: { content } };
      const { status } = await one.request(content === undefined ? 'DELETE' : 'PATCH', path, {
        token: a.token,
        ...body,
      });
      t.equal(status, 200);
    };
    await change(3, 'medlar');
    await change(4);
    const since = performance.now();
    t.equal((await all(one, a, 'quince')).length, 38, 'what is gone is gone at once');
    await eventually(async () => (await all(one, a, 'medlar')).length === 1, 'the new text is not found');
    t.ok(performance.now() - since < 5000, 'within 5 s');
    await indexed(one);
    // An indexer that ended in the midst of it: it held the work, and its last blocks were never noted.
    await one.app.searching.indexer.close();
    const path = `/api/conversations/${sent[0]?.conversation_id}/messages/3/reactions/${encodeURIComponent('👍')}`;
    t.equal((await one.request('PUT', path, { token: b.token })).status, 200);
    t.equal((await one.app.db.sql`select from search_marks`).length, 0, 'a reaction is no other text');
    await send(one, a, { to_user_id: b.user_id }, 'medlar, as new');
    await change(5, 'medlar, as changed');
    await one.app.db.sql`
    update search_state set holder = 'killed', held_until = now() + interval '3 s', turn = turn + 1`;
    const [before] = await one.app.db.sql`select turn from search_state`;
    const two = await build(t, { INSTANCE_ID: 'other' }, one);
    const again = performance.now();
    await eventually(async () => (await all(two, b, 'medlar')).length === 3, 'it is not gone on with');
    t.ok(performance.now() - again < 5000, 'within 5 s');
    const [after] = await one.app.db.sql`select turn from search_state`;
    t.ok(after?.turn > before?.turn);
  },
);

t.test('a database from before is indexed step by step, and a search says how far', async (t) => {
  const one = await build(t, await freshStack(t));
  const [a, b] = [await signUp(one), await signUp(one)];
  for (let i = 0; i < 40; i++) await send(one, a, { to_user_id: b.user_id }, `durian ${i}`);
  await one.app.searching.indexer.close();
  await one.app.db.sql`truncate search_blocks, search_marks`;
  await one.app.db.sql`update search_state set snapshot = null, swept = 0`;
  t.strictSame(await all(one, a, 'durian'), []);
  const two = await build(t, {}, one);
  await indexed(two);
  t.equal((await all(two, a, 'durian')).length, 40);
  await eventually(() => two.app.searching.indexer.reach === 1, 'it never ends');
  const metrics = await (await fetch(`${two.url}/metrics`)).text();
  t.match(metrics, /^chat_search_reach 1$/m);
});
