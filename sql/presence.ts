import { numbers, type Sql } from './handle.js';

/** Says that this replica lives: those who were connected to it were last seen now. */
export async function beat(sql: Sql, replica: string): Promise<void> {
  await sql`
    insert into replicas (replica_id) values (${replica})
    on conflict (replica_id) do update set seen_at = now()`;
}

/** Notes who came to a replica and who left it. */
export async function notePresence(
  sql: Sql,
  replica: string,
  online: readonly number[],
  offline: readonly number[],
): Promise<void> {
  await sql`
    insert into presence (user_id, replica_id)
    select user_id, ${replica} from unnest(${numbers(online)}::bigint[]) o(user_id)
    union all
    select user_id, null from unnest(${numbers(offline)}::bigint[]) o(user_id)
    order by user_id
    on conflict (user_id) do update set replica_id = excluded.replica_id, seen_at = now()
    where excluded.replica_id is not null or presence.replica_id is null or presence.replica_id = ${replica}`;
}

/** When each of these users was last seen: at leaving, or at the last beat of the replica that held them. Null: never. */
export async function lastSeen(sql: Sql, users: readonly number[]): Promise<Map<number, Date>> {
  const rows = await sql<{ user_id: number; seen: Date }[]>`
    select p.user_id, greatest(p.seen_at, r.seen_at) as seen
    from presence p left join replicas r on r.replica_id = p.replica_id
    where p.user_id = any (${numbers(users)}::bigint[])`;
  return new Map(rows.map((row) => [row.user_id, row.seen]));
}

/** Forgets replicas that are long gone and whose users have been seen elsewhere since. */
export async function forgetReplicas(sql: Sql): Promise<void> {
  await sql`
    delete from replicas r where r.seen_at < now() - interval '1 day'
    and not exists (select from presence p where p.replica_id = r.replica_id)`;
}
