/** What a look at the batches reads: all that it couldn't see before, but for transactions whose messages were given already. */
import t from 'tap';
import { lookAtBatches } from '../sql/batches.js';
import { build, signUp } from './helper.js';

const server = await build(t);
const { sql } = server.app.db;

/** Sends a message to somebody new. @returns the conversation, and the transaction that stored it */
async function send(): Promise<{ conversation: number; xid: number }> {
  const [from, to] = [await signUp(server), await signUp(server)];
  const { body } = await server.request('POST', '/api/messages', {
    token: from.token,
    body: { to_user_id: to.user_id, content: 'x' },
  });
  const conversation = body.data.conversation_id;
  const [row] = await sql<[{ xid: string }]>`
    select xid::text from batches where ${conversation} = any (conversations)`;
  return { conversation, xid: Number(row.xid) };
}

t.test(
  'a look leaves out the transactions that it is told of, in whatever order, and no other',
  async (t) => {
    const { snapshot } = await lookAtBatches(sql, undefined, undefined, []);
    const [one, two, three] = [await send(), await send(), await send()];
    const found = async (...own: number[]) => {
      const { moved, isPart } = await lookAtBatches(sql, snapshot, undefined, own);
      t.equal(isPart, false);
      return moved.map(({ conversation }) => conversation).sort((a, b) => a - b);
    };
    t.strictSame(await found(), [one.conversation, two.conversation, three.conversation]);
    t.strictSame(await found(three.xid, one.xid), [two.conversation]);
    t.strictSame(await found(two.xid), [one.conversation, three.conversation]);
    t.strictSame(await found(1, three.xid + 1), [one.conversation, two.conversation, three.conversation]);
    t.strictSame(await found(three.xid, two.xid, one.xid), []);
  },
);
