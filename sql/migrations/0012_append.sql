-- As append_1 (0005_append.sql), step by step, but that it stores nothing
--
--   in a conversation that is closed, or with somebody who is gone: then there is no such conversation, and none is made
--   between two of whom one blocks the other
--   as the first message to who is no contact, where `acquainted` is true
--
-- and that it goes on after what retention took, be that everything.
--
-- All of it is read under locks: of the conversation, and, where one is made, of its users. What the lock on a row hands back is as
-- it was last committed: so nothing is stored once a block or a deletion is.
create function append_2(
  a bigint[], b bigint[],
  named bigint[],
  counts int[],
  places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[],
  acquainted boolean, -- whether only contacts may begin a conversation
  out ids bigint[], -- of each conversation; null where one of its users isn't there, or it is refused
  out ends bigint[],
  out rosters json,
  out outsiders int[],
  out refused int[], -- conversations, from 1, in which nothing may be said; null where there is none
  out msg_ids bigint[],
  out at timestamptz
) language plpgsql as $$
declare
  locked bigint[];
  blocked bigint[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'append_2 needs read committed, not %', current_setting('transaction_isolation');
  end if;

  -- (1)
  for attempt in 1..2 loop
    select array_agg(c.conversation_id order by p.i) into ids
    from unnest(a, b) with ordinality p(a, b, i)
    left join lateral (
      select conversation_id from conversations x where x.user_a = p.a and x.user_b = p.b and not x.closed limit 1
    ) c on true;
    exit when attempt = 2 or array_position(ids, null) is null;
    with made as (
      insert into conversations (user_a, user_b)
      select p.a, p.b from unnest(a, b, ids) p(a, b, id)
      where p.id is null and (select true from users where user_id = p.a and deleted_at is null for key share)
        and (select true from users where user_id = p.b and deleted_at is null for key share)
        and (not acquainted or p.a = p.b or (
          (select true from friends where user_id = p.a and friend_id = p.b)
          and (select true from friends where user_id = p.b and friend_id = p.a)))
      order by 1, 2
      on conflict (user_a, user_b) do nothing
      returning conversation_id, user_a, user_b
    )
    insert into members (user_id, conversation_id)
    select user_a, conversation_id from made
    union all
    select user_b, conversation_id from made where user_a <> user_b;
  end loop;
  ids := ids || named;

  -- (2)
  select array_agg(c.conversation_id), array_agg(c.conversation_id) filter (where c.a_blocks or c.b_blocks)
  into locked, blocked from (
    select conversation_id, a_blocks, b_blocks from conversations where conversation_id = any (ids) and not closed
    order by conversation_id for no key update
  ) c;
  -- One may have been closed while this waited for it.
  if cardinality(a) > 0 and coalesce(cardinality(locked), 0) < cardinality(ids) then
    ids[1:cardinality(a)] := array(
      select case when t.id = any (locked) then t.id end
      from unnest(ids[1:cardinality(a)]) with ordinality t(id, i) order by t.i);
  end if;
  if blocked is not null then
    select array_agg(t.i) filter (where t.id = any (blocked)),
      array_agg(case when t.id = any (blocked) then null else t.id end order by t.i) into refused, ids
    from unnest(ids) with ordinality t(id, i);
  end if;

  -- (3)
  if cardinality(named) > 0 then
    select array_agg(m.i) into outsiders
    from unnest(places, senders) with ordinality m(place, sender, i)
    where m.place > cardinality(a) and (
      select true from members x where x.user_id = m.sender and x.conversation_id = ids[m.place] and x.last_seq is null
    ) is not true;
    if outsiders is not null then
      return;
    end if;
    select json_agg(array(
      select x.user_id from members x where x.conversation_id = n.id and x.last_seq is null
    ) order by n.i) into rosters
    from unnest(named) with ordinality n(id, i);
  end if;

  -- (4)
  select array_agg(coalesce((
    select seq from messages m where m.conversation_id = t.id order by seq desc limit 1
  ), (
    select first_seq - 1 from conversations x where x.conversation_id = t.id
  ), 0) order by t.i) into ends
  from unnest(ids) with ordinality t(id, i);
  if acquainted and 0 = any (ends[1:cardinality(a)]) then
    -- Those that have no row, and those that a block has made.
    with strangers as materialized (
      select p.i from unnest(a, b, ends[1:cardinality(a)]) with ordinality p(a, b, seq, i)
      where p.seq = 0 and p.a <> p.b
        and (select true from users where user_id = p.a and deleted_at is null)
        and (select true from users where user_id = p.b and deleted_at is null)
        and ((select true from friends where user_id = p.a and friend_id = p.b)
          and (select true from friends where user_id = p.b and friend_id = p.a)) is not true
    )
    select case when exists (select from strangers) then coalesce(refused, '{}') || array(select i::int from strangers) else refused end,
      array(select case when t.i in (select i from strangers) then null else t.id end
        from unnest(ids) with ordinality t(id, i) order by t.i)
    into refused, ids;
  end if;

  -- (5)
  msg_ids := array(select nextval('message_ids') from generate_subscripts(places, 1));
  at := now();
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
  select ids[m.place], ends[m.place] + m.rank, m.msg_id, m.sender, at, m.client_id, m.content
  from unnest(places, ranks, msg_ids, senders, client_ids, contents) m(place, rank, msg_id, sender, client_id, content)
  where ids[m.place] is not null;

  -- (6)
  insert into batches (conversations, ends)
  select array_agg(t.id), array_agg(t.seq + t.n) from unnest(ids, ends, counts) t(id, seq, n)
  where t.id is not null having count(*) > 0;
end $$;

-- A server of an earlier version beside this one stores nothing of that either; it says that they aren't there.
create or replace function append_1(
  a bigint[], b bigint[], named bigint[], counts int[], places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[],
  out ids bigint[], out ends bigint[], out rosters json, out outsiders int[], out msg_ids bigint[], out at timestamptz
) language sql as $$
  select ids, ends, rosters, outsiders, msg_ids, at
  from append_2(a, b, named, counts, places, ranks, senders, client_ids, contents, false)
$$;
