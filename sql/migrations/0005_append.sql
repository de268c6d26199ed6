-- Appends a batch in one call, and so with one commit (sql/messages.ts):
--
--   (1) conversations   of two, found by their users; those that are missing are made, with their members. Others are named
--   (2) locks           the rows of all of them, in the order of their ids
--   (3) members         of those that are named, by statements that begin once the locks are held. Who isn't in one sends nothing
--                       there: then nothing of the batch is stored, and the call is made again without that
--   (4) ends            the last `seq` of each, by a statement that begins once the locks are held, and so sees what is there
--   (5) messages        numbered from there on
--   (6) batches         the row that says how far each conversation goes now
--
-- Each statement of a function sees what was committed when it began only in `read committed`. A name carries its version, so that
-- two versions of the server can run side by side.
create function append_1(
  a bigint[], b bigint[], -- the users of each conversation of two, the lower first, in order
  named bigint[], -- the other conversations, in order, behind those
  counts int[], -- how many messages each of all these gets
  places int[], ranks int[], -- of each message: its conversation among them, from 1, and which of that conversation's it is
  senders bigint[], client_ids text[], contents text[],
  out ids bigint[], -- of each conversation; null where one of its users isn't there
  out ends bigint[], -- the last `seq` before the batch
  out rosters json, -- of each that is named its members, as a list of lists; null where none is
  out outsiders int[], -- messages, from 1, whose senders aren't in the conversation; null where there is none
  out msg_ids bigint[], -- of each message; those without a conversation have one, too, and aren't stored
  out at timestamptz
) language plpgsql as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'append_1 needs read committed, not %', current_setting('transaction_isolation');
  end if;

  -- (1)
  for attempt in 1..2 loop
    select array_agg(c.conversation_id order by p.i) into ids
    from unnest(a, b) with ordinality p(a, b, i)
    left join lateral (
      select conversation_id from conversations x where x.user_a = p.a and x.user_b = p.b limit 1
    ) c on true;
    exit when attempt = 2 or array_position(ids, null) is null;
    with made as (
      insert into conversations (user_a, user_b)
      select p.a, p.b from unnest(a, b, ids) p(a, b, id)
      where p.id is null and (select true from users where user_id = p.a) and (select true from users where user_id = p.b)
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
  perform from conversations where conversation_id = any (ids) order by conversation_id for no key update;

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
  ), 0) order by t.i) into ends
  from unnest(ids) with ordinality t(id, i);

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
