import { signal } from '@preact/signals';
import type { User } from '../../schemas/user.js';
import type { Client } from './client.js';
import type { Thread } from './thread.js';

const page = 100;
/** Of a larger one who has written is offered, and whom the server finds. */
const wholeUpTo = 1024;
const freshFor = 60_000;

interface Roster {
  users: ReturnType<typeof signal<readonly User[]>>;
  readAt: number;
  members: number;
  reading: boolean;
}
const rosters = new WeakMap<Thread, Roster>();

/** Who is in a group, to be mentioned: read when that is first wanted, and again when others are in it. */
export function rosterOf(client: Client, thread: Thread): readonly User[] {
  const roster = rosters.get(thread) ?? {
    ...{ users: signal<readonly User[]>([]), readAt: 0, members: -1, reading: false },
  };
  rosters.set(thread, roster);
  const members = thread.group.peek()?.members ?? 0;
  const isFresh = roster.members === members && Date.now() - roster.readAt < freshFor;
  if (!isFresh && !roster.reading && members <= wholeUpTo) void read(client, thread, roster, members);
  return roster.users.value ?? [];
}

export const isWhole = (thread: Thread): boolean => (thread.group.peek()?.members ?? 0) <= wholeUpTo;

async function read(client: Client, thread: Thread, roster: Roster, members: number): Promise<void> {
  const id = thread.conversationId;
  if (id === null) return;
  roster.reading = true;
  try {
    const found: User[] = [];
    for (let after: number | null = 0; after !== null; ) {
      const answer: Awaited<ReturnType<Client['api']['members']>> = await client.api.members(id, after, page);
      found.push(...answer.members.map(({ user }) => user));
      after = answer.next_cursor;
      // The first ones are offered before the last are here.
      if (found.length > (roster.users.peek()?.length ?? 0)) roster.users.value = [...found];
    }
    client.users.learn(found);
    roster.users.value = found;
    roster.readAt = Date.now();
    roster.members = members;
  } catch {
    // Asked again at the next key.
  } finally {
    roster.reading = false;
  }
}
