/** Somebody who is removed from a conversation while what they said waits for its row; and how it would be if members were read before. */
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { type Answer, build, connectSynced, eventually, makeMany, type Server, signUp } from '../helper.js';
import { membersBeforeLock } from './before-lock.js';

t.setTimeout(120_000);

/** What somebody said after they were removed, and what they were given. */
interface Trespass {
  said: string[];
  given: string[];
}

/**
 * Removes somebody from a conversation whose row is held, while what they and somebody else say there waits for it.
 * @param hears how many messages they are given after that, in a server that is broken: those are waited for
 * @returns what is stored of theirs after the message that they are removed with, and what they were given after it
 */
async function remove(t: Test, one: Server, two: Server, hears = 0): Promise<Trespass> {
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
        where datname = current_database() and wait_event_type = 'Lock' and query like '%append_4%'`;
      return waiting.length === 2;
    }, 'nobody waits for the row');
    await own`update members set last_seq = 1
      where user_id = ${alice.user_id} and conversation_id = ${conversation_id}`;
  });
  await a.until(() => a.frames.some(({ id }) => id === 'too-late'), 'it is not answered');
  await b.until(() => b.of('sent').length === 1, 'the other is not stored');
  await a.until(() => a.of('chat').length >= hears, 'they are not given what they would be');
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

/**
 * Holds the row of a group while its owner removes somebody over HTTP, and that one says something after: both wait, in this order.
 * @returns what is stored of theirs after the event that they are removed by, and what they were given after it
 */
async function removeFromGroup(t: Test, one: Server, two: Server): Promise<Trespass> {
  const [owner, alice, bob] = [await signUp(one), await signUp(one), await signUp(one)];
  const { token } = owner;
  const made = await one.request('POST', '/api/conversations', {
    ...{ token, body: { title: 'A group', user_ids: [alice.user_id, bob.user_id] } },
  });
  const { conversation_id } = made.body.data;
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
  const sql = postgres(one.env.DB_URL ?? '', { max: 1, onnotice: () => {} });
  t.teardown(() => sql.end());
  const waits = (call: string, n: number) =>
    eventually(async () => {
      const waiting = await one.app.db.sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like ${`%${call}%`}`;
      return waiting.length === n;
    }, `nobody waits for the row with ${call}`);
  let removal: Promise<Answer> | undefined;
  await sql.begin(async (own) => {
    await own`select from conversations where conversation_id = ${conversation_id} for no key update`;
    removal = two.request('DELETE', `/api/conversations/${conversation_id}/members/${alice.user_id}`, {
      token,
    });
    await waits('change_group_2', 1);
    a.send('chat', { id: 'too-late', conversation_id, content: 'too late' });
    await waits('append_4', 1);
    b.send('chat', { id: 'stays', conversation_id, content: 'stays' });
    await waits('append_4', 2);
  });
  t.equal((await removal)?.status, 200);
  await a.until(() => a.frames.some(({ id }) => id === 'too-late'), 'it is not answered');
  await b.until(() => b.of('sent').length === 1, 'the other is not stored');
  for (const { app } of [one, two]) await app.hub.repair();
  await a.barrier();
  const [gone] = a.of('event').filter(({ event }) => event.action === 'removed');
  t.strictSame(gone?.event.user_ids, [alice.user_id], 'they are told that they are removed');
  const said = await one.app.db.sql<{ content: string }[]>`select content from messages
    where conversation_id = ${conversation_id} and from_user_id = ${alice.user_id} and seq > ${gone.seq}`;
  const answer = a.frames.find(({ id }) => id === 'too-late');
  t.equal(answer.type === 'sent' ? 'sent' : answer.code, said.length > 0 ? 'sent' : 'conversation_not_found');
  return {
    said: said.map(({ content }) => content),
    given: a.of('chat').flatMap(({ seq, content }) => (seq > gone.seq ? [content] : [])),
  };
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
    t.strictSame(await remove(t, one, two, 1), { said: ['too late'], given: ['stays'] });
  },
);

t.test('nor has who is removed from a group by its owner, on another instance', async (t) => {
  const [one, two] = await pair(t);
  t.strictSame(await removeFromGroup(t, one, two), { said: [], given: [] });
});

t.test('where members are read before the lock, that is found of a group, too', async (t) => {
  const [one, two] = await pair(t);
  await one.app.db.sql.unsafe(await membersBeforeLock());
  t.match(await removeFromGroup(t, one, two), { said: ['too late'] });
});
