/** Conversations of more than two, made in the database: who is in them, and how a diary names them. */
import postgres from 'postgres';
import type { Random } from './random.js';

/** Who is in each conversation of more than two, by its number. */
export type Many = ReadonlyMap<number, readonly number[]>;

/** What a diary has in the place of a receiver: below zero, so that it is no user. */
export const addressOf = (conversation: number): number => -conversation;

const fewest = 3;
const most = 30;

/** Draws who is together: as many conversations as half of those that these users have by twos. */
export function drawMany(users: readonly number[], pairs: number, random: Random): number[][] {
  return Array.from({ length: Math.round(pairs / 2) }, () =>
    random.shuffle([...users]).slice(0, random.int(fewest, Math.min(most, users.length))),
  );
}

/** Makes these conversations. */
export async function insertMany(url: string, lists: readonly (readonly number[])[]): Promise<Many> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const made = await sql<{ id: string }[]>`
      insert into conversations (user_a, user_b) select null, null from generate_series(1, ${lists.length})
      returning conversation_id as id`;
    const many = new Map(made.map(({ id }, i) => [Number(id), lists[i] ?? []]));
    const members = [...many].flatMap(([conversation_id, list]) =>
      list.map((user_id) => ({ user_id, conversation_id })),
    );
    await sql`insert into members ${sql(members)}`;
    return many;
  } finally {
    await sql.end();
  }
}
