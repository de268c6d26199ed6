/** Which messages must arrive, and since when that is known. */
import type { Away, Diary, Evidence, Failed } from './diary.js';
import type { Message } from './ledger.js';

/** How long a plain sender must have stayed connected after a send to count on it. */
const trust = 1000;
/** How long after a send an error can still be about it. */
const reach = 15_000;

/** The moment by which `needed` milliseconds of [from, to] lie outside the windows; undefined if they don't. */
export function elapsed(
  from: number,
  to: number,
  windows: readonly { from: number; to: number }[],
  needed: number,
): number | undefined {
  let at = from;
  let left = needed;
  for (const window of [...windows].sort((a, b) => a.from - b.from)) {
    if (window.to <= at) continue;
    const free = Math.max(0, Math.min(window.from, to) - at);
    if (free >= left) break;
    left -= free;
    at = Math.max(at, window.to);
  }
  return at + left <= to ? at + left : undefined;
}

/** One connection of a client, with the times in which it could not be relied on. */
export interface Span {
  to: number;
  /** When the server first answered a plain client, and so had taken it in. */
  answered: number;
  windows: Away[];
  errors: Failed[];
}

export function spans({ kind, entries }: Diary, { away, until }: Evidence): Map<number, Span> {
  const found = new Map<number, Span>();
  const replicas = new Map<number, string>();
  for (const entry of entries) {
    const span = found.get(entry.connection);
    if (entry.type === 'connect') {
      replicas.set(entry.connection, entry.replica);
    } else if (entry.type === 'open') {
      const replica = replicas.get(entry.connection);
      const windows = away.filter(
        ({ what, name }) =>
          what === 'postgres' ||
          what === 'us' ||
          (what === 'replica' && name === replica) ||
          (what === 'line' && name === String(entry.port)),
      );
      found.set(entry.connection, { to: until, answered: Number.POSITIVE_INFINITY, windows, errors: [] });
    } else if (entry.type === 'close' && span) {
      span.to = entry.at;
    } else if (entry.type === 'answered' && span) {
      span.answered = Math.min(entry.at, span.answered);
    } else if (entry.type === 'error' && span && kind === 'plain') {
      span.errors.push(entry);
    }
  }
  return found;
}

/** When the message was known to be stored; undefined if its sender can't count on it. */
export function owedSince(message: Message, connections: Map<number, Span>): number | undefined {
  if (message.kind === 'extended') return message.told[0]?.at;
  if (message.kind === 'event') return message.copies[0]?.at ?? 0;
  const [send] = message.sends;
  const span = send && connections.get(send.connection);
  return span && elapsed(Math.max(send.at, span.answered), span.to, span.windows, trust);
}

/**
 * A plain client's error doesn't say what it is about: it excuses one message that was sent on its connection before
 * it, and no second one. Takes the missing messages of one connection in the order of their sends.
 */
export function unexcused(missing: readonly Message[], errors: readonly Failed[]): Message[] {
  const free = [...errors];
  return missing.filter((message) => {
    const at = message.sends[0]?.at ?? 0;
    const index = free.findIndex((error) => error.at >= at && error.at - at <= reach);
    if (index >= 0) free.splice(index, 1);
    return index < 0;
  });
}
