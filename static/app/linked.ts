import { goTo } from './acting.js';
import type { Client } from './client.js';
import { errorText } from './i18n/later.js';
import { notice } from './notice.js';
import { arrive, linked } from './route.js';

/** Opens the message that a link leads to. */
export async function follow(client: Client, to: { conversation: number; seq: number }): Promise<void> {
  const thread = client.directory.byConversation(to.conversation) ?? (await client.meet(to.conversation));
  if (linked.peek() !== to) return;
  arrive(thread?.peer ?? null);
  if (thread) goTo(client, thread, to.seq);
  else notice(errorText('message_not_found'));
}
