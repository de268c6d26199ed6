-- Begins the plain clients of some users (sql/cursors.ts): what was stored up to a line waits for `get_offline`, what comes after
-- it is pushed.
--
--   (1) users      noted as having one; of a user's connections only one that is newer than all before begins anything, one at a time
--   (2) places     of the line in each conversation of two, and of its end, by a statement that begins once the users are locked
--   (3) gaps       what lies between what the client had and the line, if it is of somebody else
--   (4) cursors    moved to the line
--
-- What waited for nobody, since the user had no plain client before, is what no other client of theirs has.
create function begin_plain_1(
  users bigint[], numbers bigint[], -- in the order of their ids; and of each the number of the connection
  lines bigint[] -- of each connection: the last `msg_id` when it knocked
) returns table (
  user_id bigint, ids bigint[], places bigint[], -- of the line in each conversation
  is_past boolean -- whether one of them goes on past it
) language plpgsql as $$
#variable_conflict use_column
declare
  fresh bigint[];
  beginners bigint[];
  begun bigint[];
begin
  -- (1)
  with held as materialized (
    select u.user_id, u.plain_at, p.number, p.line from unnest(users, numbers, lines) p(id, number, line)
    cross join lateral (select * from users x where x.user_id = p.id and x.plain_number < p.number for no key update) u
  ), noted as (
    update users u set plain_at = coalesce(u.plain_at, now()), plain_number = h.number
    from held h where u.user_id = h.user_id
  )
  select array_agg(h.user_id), array_agg(h.line), array_agg(h.user_id) filter (where h.plain_at is null)
  into beginners, begun, fresh from held h;

  return query
  with each as materialized (
    select b.id as user_id, b.id = any (fresh) as is_new, c.conversation_id, c.user_a = c.user_b as alone, e.seq as last,
      coalesce(l.seq, 0) as seq,
      coalesce(case when b.id = any (fresh) then k.delivered_seq else k.plain_seq end, 0) as plain
    from unnest(beginners, begun) b(id, line)
    cross join lateral (select m.conversation_id from members m where m.user_id = b.id offset 0) m
    cross join lateral (select * from conversations x where x.conversation_id = m.conversation_id limit 1) c
    -- (2)
    cross join lateral (
      select x.seq from messages x where x.conversation_id = m.conversation_id order by x.seq desc limit 1
    ) e
    left join lateral (
      select x.seq from messages x where x.conversation_id = m.conversation_id and x.msg_id <= b.line
      order by x.seq desc limit 1
    ) l on true
    left join lateral (
      select * from cursors x where x.user_id = b.id and x.conversation_id = m.conversation_id limit 1
    ) k on true
    where c.user_a is not null
  ), gaps as (
    -- (3)
    insert into plain_gaps (user_id, conversation_id, first_seq, last_seq)
    select w.user_id, w.conversation_id, f.seq, l.seq
    from each w
    cross join lateral (
      select x.seq from messages x where x.conversation_id = w.conversation_id and x.seq > w.plain and x.seq <= w.seq
        and (x.from_user_id <> w.user_id or w.alone) order by x.seq limit 1
    ) f
    cross join lateral (
      select x.seq from messages x where x.conversation_id = w.conversation_id and x.seq > w.plain and x.seq <= w.seq
        and (x.from_user_id <> w.user_id or w.alone) order by x.seq desc limit 1
    ) l
    where w.plain < w.seq
  ), moved as (
    -- (4)
    insert into cursors as c (user_id, conversation_id, plain_seq)
    select w.user_id, w.conversation_id, greatest(w.seq, w.plain) from each w
    where coalesce(w.is_new, false) or w.plain < w.seq order by 1, 2
    on conflict on constraint cursors_pkey do update set plain_seq = greatest(c.plain_seq, excluded.plain_seq)
  )
  select b.id, coalesce(f.ids, '{}'), coalesce(f.places, '{}'), coalesce(f.is_past, false)
  from unnest(beginners) b(id) left join (
    select w.user_id, array_agg(w.conversation_id) as ids, array_agg(greatest(w.seq, w.plain)) as places,
      bool_or(w.last > greatest(w.seq, w.plain)) as is_past
    from each w group by 1
  ) f on f.user_id = b.id;
end $$;
