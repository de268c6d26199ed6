import type { Message } from '../schemas/message.js';

/** What a text has beside it: one of these at least. */
export interface Beside {
  /** Users whom it mentions, ascending. */
  mentions?: readonly number[] | undefined;
  /** Whether it mentions all. */
  all?: boolean | undefined;
  /** The place of the message that it answers. */
  replyTo?: number | undefined;
}

/** The columns of a text in which that is; null or not asked for: nothing. */
export interface BesideRow {
  extra?: { mentions?: number[]; all?: true } | null;
  reply_to?: number | null;
}

/** What a text was stored with; undefined where that is nothing. */
export function besideOf({ extra, reply_to }: BesideRow): Beside | undefined {
  if (!extra && !reply_to) return undefined;
  return { mentions: extra?.mentions, all: extra?.all, replyTo: reply_to ?? undefined };
}

/** What a message has beside its text, as people get it. */
export const presentBeside = ({
  mentions,
  all,
  replyTo,
}: Beside): Pick<Message, 'mentions' | 'mention_all' | 'reply_to'> => ({
  ...(mentions && { mentions: [...mentions] }),
  ...(all && { mention_all: true }),
  ...(replyTo !== undefined && { reply_to: replyTo }),
});

/** What of it is kept as `messages.extra`, as JSON; undefined where that is nothing. */
export function extraOf(beside: Beside | undefined): string | undefined {
  if (!beside?.mentions && !beside?.all) return undefined;
  return JSON.stringify({ mentions: beside.mentions, ...(beside.all && { all: true }) });
}

/** Whether two say the same beside their texts. */
export function isSameBeside(one: Beside | undefined, other: Beside | undefined): boolean {
  const named = (beside: Beside | undefined) => beside?.mentions?.join() ?? '';
  return (
    one === other ||
    (one?.replyTo === other?.replyTo && !one?.all === !other?.all && named(one) === named(other))
  );
}
