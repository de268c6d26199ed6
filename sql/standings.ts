import { goingTo, groupOf, lastChange, sizeIn } from './conversations.js';
import { millis, numbers, type Sql, strings } from './handle.js';
import type { Position } from './messages.js';

/** Places in a conversation that somebody says they stand at; 0 is none. */
export interface Proof extends Position {
  change: number;
}

/** How far a conversation of a user goes, and what its cursor says. */
export interface Standing {
  conversation: number;
  /** As far as they may see it. */
  end: number;
  /** Whether it is a group, or a channel. */
  grouped?: boolean;
  /** Bits of schemas/size.ts; undefined: none. */
  size?: number;
  /** How far one of their devices has it. */
  delivered: number;
  /** When the message at the position that was asked for was stored, in milliseconds since 1970; undefined where it isn't there. */
  at: number | undefined;
  /** Its last change, and when that was stored; undefined where there is none. */
  change?: number | undefined;
  changedAt?: number | undefined;
  /** When the change that was asked for was stored; undefined where it isn't there. */
  provenAt?: number | undefined;
  /** Whether they aren't in it any more. */
  left?: boolean;
}

/** Who asks how far their conversations go, and whose messages and changes of these they ask for. */
export interface Comparing {
  user: number;
  proofs: readonly Proof[];
}

/** What few conversations have: it is left out where there is none of it. */
interface Rare {
  grouped: boolean;
  members: number | null;
  kind: string | null;
  change: number | null;
  changed_at: number | null;
  proven_at: number | null;
  left: boolean;
}

/** A standing as a list of its columns. */
type Packed = readonly [conversation: number, end: number, delivered: number, at: number | null, rare?: Rare];

/** How far each conversation of these users goes, in the order given; one without a message is left out. */
export async function standings(sql: Sql, asked: readonly Comparing[]): Promise<Standing[][]> {
  const sorted = asked.map(({ proofs }) => proofs.toSorted((x, y) => x.conversation - y.conversation));
  const said = (what: (proof: Proof) => number) => strings(sorted.map((proofs) => numbers(proofs.map(what))));
  const rows = await sql<{ i: number; standings: string | null }[]>`
    select u.i, s.standings from unnest(${numbers(asked.map(({ user }) => user))}::bigint[], ${said(({ conversation }) => conversation)}::text[],
      ${said(({ seq }) => seq)}::text[], ${said(({ change }) => change)}::text[]) with ordinality u(user_id, ids, seqs, changes, i)
    -- Read once, not for each conversation.
    cross join lateral (select u.ids::bigint[] as ids, u.seqs::bigint[] as seqs, u.changes::bigint[] as changes offset 0) o
    cross join lateral (
      select string_agg('[' || concat_ws(',', m.conversation_id, least(e.seq, m.last_seq), coalesce(k.delivered_seq, 0),
        coalesce((
          select ${millis(sql, sql`created_at`)} from messages x
          where x.conversation_id = o.ids[p.place] and x.seq = o.seqs[p.place]
            and x.conversation_id = m.conversation_id and x.seq >= m.first_seq and (m.hidden is null or not m.hidden @> x.seq)
        )::text, 'null'),
        case when m.joined_seq is not null or m.last_seq is not null or h.change is not null
          then json_build_object('grouped', m.joined_seq is not null, 'members', g.members, 'kind', g.kind, 'change', h.change,
            'changed_at', ${millis(sql, sql`h.at`)}, 'left', m.last_seq is not null, 'proven_at', (
              select ${millis(sql, sql`at`)} from changes x where x.conversation_id = o.ids[p.place]
                and x.change = o.changes[p.place] and x.conversation_id = m.conversation_id
            )) end) || ']', ',') as standings
      from ${goingTo(sql)} ${lastChange(sql)}
      cross join lateral (select width_bucket(m.conversation_id, o.ids) as place) p
      left join lateral (
        select delivered_seq from cursors x where x.user_id = m.user_id and x.conversation_id = m.conversation_id limit 1
      ) k on true
      ${groupOf(sql)}
      where m.user_id = u.user_id
    ) s`;
  const found: Standing[][] = asked.map(() => []);
  for (const { i, standings } of rows) if (standings !== null) found[i - 1] = unpacked(standings);
  return found;
}

function unpacked(text: string): Standing[] {
  const all: Packed[] = JSON.parse(`[${text}]`);
  return all.map(([conversation, end, delivered, at, rare]) => {
    const standing = { conversation, end, delivered, at: at ?? undefined };
    if (rare === undefined) return standing;
    return {
      ...standing,
      grouped: rare.grouped,
      size: sizeIn(rare),
      left: rare.left,
      change: rare.change ?? undefined,
      changedAt: rare.changed_at ?? undefined,
      provenAt: rare.proven_at ?? undefined,
    };
  });
}
