/** Somebody who is removed from a conversation while what they said waits for its row; and how it would be if members were read before. */
import { readFile } from 'node:fs/promises';
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { build, connectSynced, eventually, makeMany, type Server, signUp } from '../helper.js';

t.setTimeout(120_000);

/** What somebody said after they were removed, and what they were given. */
interface Trespass {
  said: string[];
  given: string[];
}

/**
 * Removes somebody from a conversation whose row is held, while what they and somebody else say there waits for it.
 * @returns what is stored of theirs after the message that they are removed with, and what they were given after it
 */
async function remove(t: Test, one: Server, two: Server): Promise<Trespass> {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const conversation_id = await makeMany(one, [alice, bob]);
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
  a.send('chat', { id: 'before', conversation_id, content: 'before' });
  await a.next('sent');
  const sql = postgres(one.env.DB_URL ?? '', { max: 1, onnotice: () => {} });
  t.teardown(() => sql.end());
  await sql.begin(async (own) => {
    await own`select from conversations where conversation_id = ${conversation_id} for no key update`;
    a.send('chat', { id: 'too-late', conversation_id, content: 'too late' });
    b.send('chat', { id: 'stays', conversation_id, content: 'stays' });
    await eventually(async () => {
      const waiting = await one.app.db.sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%append_2%'`;
      return waiting.length === 2;
    }, 'nobody waits for the row');
    await own`update members set last_seq = 1
      where user_id = ${alice.user_id} and conversation_id = ${conversation_id}`;
  });
  await a.until(() => a.frames.some(({ id }) => id === 'too-late'), 'it is not answered');
  await b.until(() => b.of('sent').length === 1, 'the other is not stored');
  for (const { app } of [one, two]) await app.hub.repair();
  await a.barrier();
  const rows = await one.app.db.sql<{ seq: number; from_user_id: number; content: string }[]>`
    select seq, from_user_id, content from messages where conversation_id = ${conversation_id} order by seq`;
  const said = rows.filter(({ seq, from_user_id }) => seq > 1 && from_user_id === alice.user_id);
  const answer = a.frames.find(({ id }) => id === 'too-late');
  t.equal(answer.type === 'sent' ? 'sent' : answer.code, said.length > 0 ? 'sent' : 'conversation_not_found');
  t.strictSame(
    rows.map(({ seq }) => seq),
    rows.map((_row, i) => i + 1),
    'numbers have no hole',
  );
  return {
    said: said.map(({ content }) => content),
    given: a.of('chat').map(({ content }) => content),
  };
}

/** The function that appends, with its third step before its second. */
async function membersBeforeLock(): Promise<string> {
  const text = await readFile(new URL('../../sql/migrations/0012_append.sql', import.meta.url), 'utf8');
  const steps = /( {2}-- \(2\)\n.*?)( {2}-- \(3\)\n.*?)(?= {2}-- \(4\)\n)/s;
  if (!steps.test(text)) throw new Error('the function no longer has its steps where they were');
  return text.replace('create function', 'create or replace function').replace(steps, '$2$1');
}

const pair = async (t: Test) => {
  const one = await build(t);
  return [one, await build(t, {}, one)] as const;
};

t.test('who is removed while their message waits for the conversation has not said it', async (t) => {
  const [one, two] = await pair(t);
  t.strictSame(await remove(t, one, two), { said: [], given: [] });
});

t.test(
  'where members are read before the lock, it is found that they say and hear something after',
  async (t) => {
    const [one, two] = await pair(t);
    await one.app.db.sql.unsafe(await membersBeforeLock());
    t.strictSame(await remove(t, one, two), { said: ['too late'], given: ['stays'] });
  },
);
