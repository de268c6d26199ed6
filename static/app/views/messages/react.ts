import type { Message } from '../../../../schemas/message.js';
import { altered, isMine } from '../../altered.js';
import type { Client } from '../../client.js';
import { choose } from '../../recent-emoji.js';
import type { Outgoing } from '../../records.js';
import type { Thread } from '../../thread.js';

/** Reacts to a message, or no more, where one did. Returns whether one does now. */
export function react(client: Client, thread: Thread, message: Message | Outgoing, emoji: string): boolean {
  const { me, outbox } = client;
  const { reactions } = altered(message, outbox.items.peek(), me.user_id);
  const found = reactions.find((reaction) => reaction.emoji === emoji);
  const on = found === undefined || !isMine(found, me.user_id);
  if (on) choose(emoji);
  client.alter(thread, message, { what: 'react', emoji, on });
  return on;
}
