/** One conversation's row that somebody holds, such as a hand at psql that forgot its `commit`. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { build, connectSynced, eventually, makeMany, signUp } from '../helper.js';
import { leaveOpen } from '../nodes/postgres.js';
import { ask } from './outside.js';

t.setTimeout(120_000);
/** Longer than any deadline of a statement. */
const HELD_MS = 8000;

for (const many of [false, true])
  t.test(
    `a conversation${many ? ' of many' : ''} whose row is held keeps only its own messages waiting`,
    async (t) => {
      const server = await build(t);
      const [alice, bob, carol, dave] = [
        await signUp(server),
        await signUp(server),
        await signUp(server),
        await signUp(server),
      ];
      const [a, c] = [await connectSynced(t, server, alice), await connectSynced(t, server, carol)];
      const [b, d] = [await connectSynced(t, server, bob), await connectSynced(t, server, dave)];
      const target = many
        ? { conversation_id: await makeMany(server, [alice, bob]) }
        : { to_user_id: bob.user_id };
      a.send('chat', { id: 'before', ...target, content: 'before' });
      c.send('chat', { id: 'before', to_user_id: dave.user_id, content: 'before' });
      const { conversation_id } = await a.next('sent');
      await c.next('sent');

      const release = await leaveOpen(
        server.env.DB_URL ?? '',
        `select 1 from conversations where conversation_id = ${conversation_id} for update`,
      );

      t.teardown(release);
      // As a good client does: the same id again, as soon as it is told that it may.
      const answers: string[] = [];
      const send = () => a.send('chat', { id: 'held', ...target, content: 'held' });
      a.socket.on('message', () => {
        const frame = a.frames.at(-1);
        if (frame.id !== 'held') return;
        answers.push(frame.type === 'sent' ? 'sent' : frame.code);
        if (frame.type === 'error') setTimeout(send, 100);
      });
      send();
      const started = performance.now();
      const slow: number[] = [];
      const refused: unknown[] = [];
      let others = 0;
      while (performance.now() - started < HELD_MS) {
        const asked = performance.now();
        const id = `other-${++others}`;
        c.send('chat', { id, to_user_id: dave.user_id, content: id });
        const answer = () => c.frames.find((frame) => frame.id === id);
        await c.until(() => answer() !== undefined, `${id} is not answered`);
        if (answer().type !== 'sent') refused.push(answer());
        const ms = performance.now() - asked;
        if (ms > 1000) slow.push(Math.round(ms));
        await wait(100);
      }
      t.strictSame(refused, [], 'nobody else is refused');
      t.strictSame(slow, [], 'and nobody else waits');
      t.ok(others > HELD_MS / 250, `${others} were sent`);
      t.notOk(answers.includes('sent'));
      t.equal((await ask(server, 'GET', '/readyz')).status, 200, 'one conversation is not the service');

      await release();
      const freed = performance.now();
      await eventually(() => answers.includes('sent'), 'it is not stored when the row is free');
      const ms = performance.now() - freed;
      t.ok(ms < 1000, `stored ${ms} ms after the row was free`);
      await b.until(() => b.of('chat').length === 2, 'it did not come');
      await d.until(() => d.of('chat').length === others + 1, 'the others did not come');
      t.strictSame(
        b.of('chat').map((frame) => [frame.seq, frame.content]),
        [
          [1, 'before'],
          [2, 'held'],
        ],
      );
    },
  );
