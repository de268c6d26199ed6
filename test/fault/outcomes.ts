/** What a sender was told became of a message is so: what is called not stored is nowhere. */
import type { Evidence } from './diary.js';
import type { Finding, Ledger, Message } from './ledger.js';

/** These say that the message is not stored; any other that it may be. */
const notStored = /^(unavailable|overloaded|too_many_requests)$/;

export const saysNotStored = (code: string): boolean => notStored.test(code);

/** Who is out of a group is told that it isn't there. */
const isOut = (code: string) => code === 'conversation_not_found';

/** Every attempt was answered, each with the word that it came to nothing. */
function isRefused({ sends, errors }: Message): boolean {
  const refusals = errors.filter(({ code }) => saysNotStored(code) || isOut(code));
  return sends.length > 0 && refusals.length >= sends.length;
}

export function outcomes({ history }: Evidence, { messages }: Ledger): Finding[] {
  const stored = new Set(
    [...(history?.values() ?? [])].flatMap((rows) => rows.map(({ content }) => content)),
  );
  const found: Finding[] = [];
  for (const message of messages.values()) {
    if (!isRefused(message)) continue;
    const { content, from: user, errors, told, copies } = message;
    const add = (what: string) =>
      found.push({ what: `refused as not stored, and ${what}`, user, at: errors[0]?.at ?? 0, content });
    if (told.length > 0) add('its sender heard that it is stored');
    else if (copies.length > 0) add('it came');
    else if (stored.has(content)) add('it is in the log');
  }
  return found;
}
