/** The process that indexes is killed in the midst of it: another one goes on, and what was changed meanwhile is found as it is. */
import postgres from 'postgres';
import t from 'tap';
import { eventually, freshStack } from '../helper.js';
import { ask, signUpOutside, startOutside } from './outside.js';

t.setTimeout(120_000);
/** Milliseconds within which it is gone on, and for all of it to be indexed, however slow the machine is. */
const SOON_MS = 5000;
const ALL_MS = 60_000;
const COUNT = 20_000;

const env = await freshStack(t);
const one = await startOutside(t, env);
const sql = postgres(env.DB_URL ?? '', { max: 1, onnotice: () => {} });
t.teardown(() => sql.end());
const [alice, bob] = [await signUpOutside(one), await signUpOutside(one)];
const sent = await ask(one, 'POST', '/api/messages', {
  token: alice.token,
  body: { to_user_id: bob.user_id, content: 'the first' },
});
const id: number = sent.body.data.conversation_id;

t.test('nothing is missing once another one has gone on', async (t) => {
  // As a batch of the log does it, in one.
  await sql`
    with stored as (
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select ${id}::bigint, n, nextval('message_ids'), ${alice.user_id}::bigint, now(), '~' || n, 'quince ' || n
      from generate_series(2, ${COUNT}::int) n
    )
    insert into batches (conversations, ends) values (array[${id}::bigint], array[${COUNT}::bigint])`;
  const indexed = async () => {
    const [row] = await sql`
      select coalesce(sum(indexed), 0)::int as n from search_blocks where conversation_id = ${id}`;
    return Number(row?.n);
  };
  await eventually(async () => (await indexed()) > 1000, 'nothing is indexed');
  one.process.signal('SIGKILL');
  await sql`update messages set content = 'medlar' where conversation_id = ${id} and seq in (5, ${COUNT})`;
  const left = await indexed();
  t.ok(left < COUNT, 'it is killed in the midst of it');
  const two = await startOutside(t, env);
  await eventually(async () => (await indexed()) > left, 'it is not gone on with', SOON_MS);
  await eventually(
    async () => (await indexed()) === COUNT && (await sql`select from search_marks`).length === 0,
    'not all of it is indexed',
    ALL_MS,
  );
  const find = async (query: string): Promise<number> => {
    let found = 0;
    for (let cursor = ''; ; ) {
      const path = `/api/search?query=${encodeURIComponent(query)}${cursor}`;
      const { data } = (await ask(two, 'GET', path, { token: alice.token })).body;
      found += data.messages.length;
      if (data.next_cursor === null) return found;
      cursor = `&cursor=${data.next_cursor}`;
    }
  };
  t.equal(await find('medlar'), 2);
  for (const [query, found] of [
    ['"quince 5"', 0],
    [`"quince ${COUNT}"`, 0],
    ['"quince 6"', 1],
    ['"quince 12345"', 1],
    [`"quince ${COUNT - 1}"`, 1],
  ] as const)
    t.equal(await find(query), found, query);
});
