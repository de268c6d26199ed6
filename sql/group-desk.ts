import type { ErrorCode } from '../schemas/error.js';
import type { Group } from '../schemas/group.js';
import { nameKey } from '../schemas/user.js';
import type { Sql } from './handle.js';

/** A group as the operator sees it. */
export interface GroupRow {
  conversation_id: number;
  kind: Group['kind'];
  title: string;
  /** Empty: none. */
  topic: string;
  members: number;
  /** Numbers of some of them. */
  owners: string;
  archived_at: Date | null;
}

/** Owners of a group that a list names. */
const OWNERS = 5;

/**
 * Groups by their numbers.
 * @param text that their titles have, in any case and Unicode form
 * @param after the last of the page before
 */
export async function listGroups(sql: Sql, text: string, after: number, limit: number): Promise<GroupRow[]> {
  return sql<GroupRow[]>`
    select conversation_id, kind, title, topic, members, archived_at, array_to_string(array(
      select '#' || m.user_id from members m
      where m.conversation_id = g.conversation_id and m.role = 2 and m.last_seq is null order by m.joined_seq, m.user_id limit ${OWNERS}
    ), ', ') as owners
    from groups g where conversation_id > ${after} and strpos(title_key, ${nameKey(text)}) > 0
    order by conversation_id limit ${limit}`;
}

/** Makes somebody an owner of a group, whether they are in it or not. @returns why not, or null */
export async function ownGroup(sql: Sql, conversation: number, person: number): Promise<ErrorCode | null> {
  const [row] = await sql<[{ outcome: ErrorCode | null }]>`
    select outcome from own_group_1(${conversation}, ${person})`;
  return row.outcome;
}

/** Has nobody write to a group any more; again it changes nothing. @returns whether there is such a group */
export async function archiveGroup(sql: Sql, conversation: number): Promise<boolean> {
  const [row] = await sql<[{ there: boolean }]>`
    with closed as (
      update conversations c set posting = 3, version = version + 1
      from groups g where c.conversation_id = ${conversation} and g.conversation_id = c.conversation_id and g.archived_at is null
      returning c.conversation_id
    ), archived as (
      update groups set archived_at = now() where conversation_id = (select conversation_id from closed)
    ), noted as (
      insert into audit (action, conversation_id) select 'archive_group', conversation_id from closed
    )
    select exists (select from groups where conversation_id = ${conversation}) as there`;
  return row.there;
}
