/** Frames that are written by hand say what the others say. */
import t from 'tap';
import { frameOf, frameTextOf, presentPlace, sentTextOf, waitedTextOf } from '../../plugins/message.js';
import type { StoredMessage } from '../../sql/messages.js';

const plain: StoredMessage = {
  conversation: 3,
  seq: 7,
  msgId: 12,
  from: 1,
  to: 2,
  clientId: 'a"\\b\u2028',
  content: 'line\n"quoted" \\ \u2028 \u0000 🙂 柚',
  createdAt: Date.parse('2026-11-28T12:34:56.789Z'),
};
const messages: Record<string, StoredMessage> = {
  'one of two': plain,
  'one in a group': { ...plain, to: undefined },
  'one that mentions somebody': { ...plain, to: undefined, beside: { mentions: [5], all: true, replyTo: 4 } },
  'one that changed': {
    ...plain,
    change: 4,
    editedAt: 5,
    reactions: [{ emoji: '👍', count: 1, users: [2] }],
  },
  'one that was deleted': { ...plain, content: '', change: 4, deleted: true },
  'one that is gone for who left': { ...plain, content: '', deleted: true },
  'an event': { ...plain, to: undefined, content: '', event: { action: 'made', title: 'Crew' } },
};

for (const [name, message] of Object.entries(messages))
  t.test(name, async (t) => {
    for (const id of [undefined, message.clientId])
      t.equal(frameTextOf(message, id), JSON.stringify(frameOf(message, id)));
    t.equal(
      sentTextOf(message),
      JSON.stringify({ type: 'sent', id: message.clientId, ...presentPlace(message) }),
    );
    t.strictSame(JSON.parse(waitedTextOf(9, message)), {
      ...{ msg_id: 12, to_user_id: 9, from_user_id: 1 },
      ...{ content: message.content, created_at: '2026-11-28T12:34:56.789Z' },
    });
  });

t.test('times are as dates write them, in whatever minutes they come', async (t) => {
  const at = plain.createdAt;
  for (const createdAt of [0, 59_999, 60_000, at, at + 1, at - 86_400_000, at + 4211, 253_402_300_799_999])
    t.equal(JSON.parse(sentTextOf({ ...plain, createdAt })).created_at, new Date(createdAt).toISOString());
});
