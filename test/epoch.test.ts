import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { buildApp } from '../app.js';
import { loadConfig } from '../plugins/config.js';
import { build, connectSynced, SECRET, signUp } from './helper.js';

t.test('[X3] an embedded database has one epoch over restarts, and another once it is a copy', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chat-epoch-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const epochIn = async (name: string) => {
    const app = await buildApp(
      loadConfig({ DATA_DIR: join(folder, name), LOG_LEVEL: 'fatal', JWT_SECRET: SECRET }),
    );
    const { epoch } = app.db;
    await app.close();
    return epoch;
  };
  const first = await epochIn('data');
  t.equal(await epochIn('data'), first);
  await cp(join(folder, 'data'), join(folder, 'copy'), { recursive: true });
  const copied = await epochIn('copy');
  t.not(copied, first);
  t.equal(await epochIn('copy'), copied);
  t.equal(await epochIn('data'), first);
});

t.test(
  'in a database that was put back under a running server, nobody gets what is for another',
  async (t) => {
    const server = await build(t, { REPAIR_SECONDS: '1' });
    const [alice, bob, carol, dave] = [
      await signUp(server),
      await signUp(server),
      await signUp(server),
      await signUp(server),
    ];
    const send = (body: object) =>
      server.request('POST', '/api/messages', { token: alice.token, body: { content: 'for Bob', ...body } });
    const history = (id: number, token: string) =>
      server.request('GET', `/api/conversations/${id}/messages`, { token });
    const { conversation_id } = (await send({ to_user_id: bob.user_id })).body.data;
    t.equal((await send({ conversation_id })).body.data.seq, 2);
    t.equal((await history(conversation_id, bob.token)).status, 200);
    const client = await connectSynced(t, server, alice);

    // As a backup from before the first message would: numbers are given again, to others.
    const { sql } = server.app.db;
    await sql`truncate conversations, messages, members, cursors, plain_gaps, batches restart identity`;
    await sql`insert into conversations (conversation_id, user_a, user_b) overriding system value
    values (${conversation_id}, ${carol.user_id}, ${dave.user_id})`;
    await sql`select setval('conversations_conversation_id_seq', ${conversation_id})`;
    await sql`update installation set id = gen_random_uuid()`;

    const again = (await send({ to_user_id: bob.user_id })).body.data;
    t.not(again.conversation_id, conversation_id);
    t.equal(again.seq, 1);
    t.equal((await client.closed).code, 1012);
    t.equal((await send({ conversation_id })).status, 404);
    t.equal((await history(conversation_id, bob.token)).status, 404);
    t.strictSame((await history(conversation_id, carol.token)).body.data.messages, []);
    t.equal((await history(again.conversation_id, bob.token)).body.data.messages.length, 1);
  },
);
