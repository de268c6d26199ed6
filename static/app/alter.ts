import type { ExtendedClient } from '../../schemas/frames.js';
import { groupIn } from './peer.js';
import type { Alteration, Outgoing } from './records.js';

/** What is done with a message at once, whichever that is. */
export type Doing = { what: 'delete' } | { what: 'react'; emoji: string; on: boolean };

/** The frame of a message on its way out. */
export function messageOf(item: Outgoing): ExtendedClient['chat'] {
  const { id, to_user_id, content } = item;
  const group = groupIn(to_user_id);
  const to = group === null ? { to_user_id } : { conversation_id: group };
  const { reply_to } = item;
  return { type: 'chat', id, ...to, content, ...besideOf(item), ...(reply_to && { reply_to }) };
}

/** The frame of a change; null while it isn't known of what. */
export function alterationOf(
  item: Outgoing,
  alters: Alteration,
  conversation_id: number | null,
): ExtendedClient['edit' | 'delete' | 'react'] | null {
  const { seq } = alters;
  if (conversation_id === null || seq === null) return null;
  const place = { id: item.id, conversation_id, seq };
  switch (alters.what) {
    case 'edit':
      return { type: 'edit', ...place, content: item.content, base: alters.base, ...besideOf(item) };
    case 'delete':
      return { type: 'delete', ...place };
    case 'react':
      return { type: 'react', ...place, emoji: alters.emoji, on: alters.on };
  }
}

const besideOf = ({ mentions, mention_all }: Outgoing) => ({
  ...(mentions && { mentions }),
  ...(mention_all && { mention_all }),
});
