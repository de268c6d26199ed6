import type { Sql } from './handle.js';

/** Whether the place of a message `m` is one that the member `me` (a row of `members`) may see. */
export const isVisible = (sql: Sql) => sql`m.seq >= me.first_seq
  and m.seq <= coalesce(me.last_seq, ${Number.MAX_SAFE_INTEGER}) and (me.hidden is null or not me.hidden @> m.seq)`;
