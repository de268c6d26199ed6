-- Mentions, answers, and what users set of conversations for themselves.

-- Who is mentioned where: so that the unread ones can be counted. 0: all, and then nobody else by the same message.
create table mentions (
  conversation_id bigint not null,
  user_id bigint not null,
  seq bigint not null,
  primary key (conversation_id, user_id, seq)
);

-- What a user has set of a conversation, where they have set something. Apart from `members`, whose rows are read whenever something is
-- stored, and whose changes raise the version of the conversation.
create table settings (
  user_id bigint not null,
  conversation_id bigint not null,
  level text collate "C" not null default 'all', -- of what to be notified: all, mentions, nothing
  muted_until bigint, -- milliseconds since 1970
  pinned boolean not null default false,
  hidden_seq bigint, -- out of the list as long as nothing comes past that
  unread_from bigint, -- marked as unread from there on
  primary key (user_id, conversation_id)
);
create index settings_pinned on settings (user_id, conversation_id) where pinned;

-- Of all conversations.
alter table users add column muted_until bigint;

-- As append_3 (0014_groups.sql), step by step, but that it
--
--   stores what texts have beside them, where one of the batch has something, and writes down whom they mention
--   stores nothing that answers what isn't there for its sender, nor what mentions all where its sender may not: as that of an outsider
create function append_4(
  a bigint[], b bigint[],
  named bigint[],
  known bigint[], -- of each that is named the version whose members are known; -1: none
  counts int[],
  places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[],
  extras text[], answered bigint[], -- what messages have beside their text: JSON, and the place that they answer; null: none has any
  mention_all int, -- members up to which whoever may write mentions all
  acquainted boolean,
  out ids bigint[],
  out ends bigint[],
  out versions bigint[], -- of each that is named
  out rosters json, -- of each that is named its members, null where they are known
  out outsiders int[],
  out muted int[], -- messages, from 1, whose senders aren't let write; null where there is none
  out unanswerable int[], -- messages, from 1, that answer what isn't there for their senders; null where there is none
  out unheard int[], -- messages, from 1, that mention all where their senders may not; null where there is none
  out refused int[],
  out msg_ids bigint[],
  out at timestamptz
) language plpgsql as $$
declare
  locked bigint[];
  blocked bigint[];
  now_versions bigint[];
  postings smallint[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'append_4 needs read committed, not %', current_setting('transaction_isolation');
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
  select array_agg(c.conversation_id), array_agg(c.conversation_id) filter (where c.a_blocks or c.b_blocks),
    array_agg(c.version), array_agg(c.posting)
  into locked, blocked, now_versions, postings from (
    select conversation_id, a_blocks, b_blocks, version, posting from conversations
    where conversation_id = any (ids) and not closed
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
    select array_agg(m.i) filter (where x.role is null),
      array_agg(m.i) filter (where x.role < postings[array_position(locked, ids[m.place])])
    into outsiders, muted
    from unnest(places, senders) with ordinality m(place, sender, i)
    left join lateral (
      select role from members x where x.user_id = m.sender and x.conversation_id = ids[m.place] and x.last_seq is null limit 1
    ) x on true
    where m.place > cardinality(a);
    if outsiders is not null or muted is not null then
      return;
    end if;
    select array_agg(n.version order by n.i), json_agg(case when n.version is distinct from n.known then array_to_json(array(
      select x.user_id from members x where x.conversation_id = n.id and x.last_seq is null
    )) end order by n.i) into versions, rosters
    from (
      select n.id, n.known, n.i, now_versions[array_position(locked, n.id)] as version
      from unnest(named, known) with ordinality n(id, known, i)
    ) n;
  end if;

  -- (4)
  if extras is not null or answered is not null then
    select array_agg(m.i) filter (where m.seq is not null and (select true from messages x
        where x.conversation_id = m.id and x.seq = m.seq
          and x.seq >= (select c.first_seq from conversations c where c.conversation_id = m.id)
          and (select x.seq >= me.first_seq and (me.hidden is null or not me.hidden @> x.seq) from members me
            where me.user_id = m.sender and me.conversation_id = m.id)) is not true),
      array_agg(m.i) filter (where m.extra::jsonb ? 'all'
        and (select g.members from groups g where g.conversation_id = m.id) > mention_all
        and (select me.role from members me where me.user_id = m.sender and me.conversation_id = m.id) = 0)
    into unanswerable, unheard
    from (
      select ids[p.place] as id, p.* from unnest(places, senders, extras, answered) with ordinality p(place, sender, extra, seq, i)
      where ids[p.place] is not null and (p.extra is not null or p.seq is not null)
    ) m;
    if unanswerable is not null or unheard is not null then
      return;
    end if;
  end if;

  -- (5)
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

  -- (6)
  msg_ids := array(select nextval('message_ids') from generate_subscripts(places, 1));
  at := now();
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content, extra, reply_to)
  select ids[m.place], ends[m.place] + m.rank, m.msg_id, m.sender, at, m.client_id, m.content, m.extra::jsonb, m.answers
  from unnest(places, ranks, msg_ids, senders, client_ids, contents, extras, answered)
    m(place, rank, msg_id, sender, client_id, content, extra, answers)
  where ids[m.place] is not null;
  if extras is not null then
    insert into mentions (conversation_id, user_id, seq)
    select m.id, u.id, m.seq from (
      select ids[p.place] as id, ends[p.place] + p.rank as seq, p.sender, p.extra::jsonb as extra
      from unnest(places, ranks, senders, extras) p(place, rank, sender, extra) where p.extra is not null and ids[p.place] is not null
    ) m cross join lateral (
      select 0::bigint as id where m.extra ? 'all'
      union all
      select who.id from (
        select distinct x::bigint as id from jsonb_array_elements_text(case when not m.extra ? 'all' then m.extra -> 'mentions' end) x
      ) who
      where who.id <> m.sender and (
        select me.last_seq is null from members me where me.user_id = who.id and me.conversation_id = m.id)
    ) u;
  end if;

  -- (7)
  insert into batches (conversations, ends)
  select array_agg(t.id), array_agg(t.seq + t.n) from unnest(ids, ends, counts) t(id, seq, n)
  where t.id is not null having count(*) > 0;
end $$;

-- A server of an earlier version beside this one says nothing beside its texts.
create or replace function append_3(
  a bigint[], b bigint[], named bigint[], known bigint[], counts int[], places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[], acquainted boolean,
  out ids bigint[], out ends bigint[], out versions bigint[], out rosters json, out outsiders int[], out muted int[],
  out refused int[], out msg_ids bigint[], out at timestamptz
) language sql as $$
  select ids, ends, versions, rosters, outsiders, muted, refused, msg_ids, at
  from append_4(a, b, named, known, counts, places, ranks, senders, client_ids, contents, null, null, 0, acquainted)
$$;

-- Changes what a user has set of a conversation that is in their list.
create function set_settings_1(
  person bigint, target bigint,
  change jsonb, -- level, muted_until, pinned, hidden, unread_from: what isn't there stays
  pinned_at_most int,
  out outcome text, -- null: done; else the stable name of an error
  out changed boolean
) language plpgsql as $$
declare
  me members;
  newest bigint;
  was settings;
  own settings;
begin
  -- One at a time of each user, so that what is pinned can be counted.
  perform from users where user_id = person and deleted_at is null for no key update;
  if not found then
    outcome := 'user_not_found';
    return;
  end if;
  select m.* into me from members m join conversations c using (conversation_id)
  where m.user_id = person and m.conversation_id = target and (c.user_a is not null or m.joined_seq is not null);
  select seq into newest from messages m
  where m.conversation_id = target and (me.last_seq is null or m.seq <= me.last_seq) order by seq desc limit 1;
  if me is null or newest is null then
    outcome := 'conversation_not_found';
    return;
  end if;
  -- Whoever reads may take the mark away at this moment.
  select * into was from settings where user_id = person and conversation_id = target for no key update;
  if not found then
    was := (person, target, 'all', null, false, null, null);
  end if;
  own := was;
  own.level := coalesce(change ->> 'level', own.level);
  own.pinned := coalesce((change ->> 'pinned')::boolean, own.pinned);
  if change ? 'muted_until' then
    own.muted_until := (change ->> 'muted_until')::bigint;
  end if;
  if change ? 'hidden' then
    own.hidden_seq := case when (change ->> 'hidden')::boolean then newest end;
  end if;
  if change ? 'unread_from' then
    own.unread_from := (change ->> 'unread_from')::bigint;
  end if;
  if own.unread_from <> coalesce(was.unread_from, 0) and (own.unread_from > newest or own.unread_from < me.first_seq
    or me.hidden @> own.unread_from or not exists (
      select from messages m where m.conversation_id = target and m.seq = own.unread_from)) then
    outcome := 'message_not_found';
    return;
  end if;
  if own.pinned and not was.pinned and (select count(*) from settings where user_id = person and pinned) >= pinned_at_most then
    outcome := 'too_many_pinned';
    return;
  end if;
  changed := own is distinct from was;
  if changed then
    insert into settings values (own.*)
    on conflict (user_id, conversation_id) do update set level = excluded.level, muted_until = excluded.muted_until,
      pinned = excluded.pinned, hidden_seq = excluded.hidden_seq, unread_from = excluded.unread_from;
  end if;
end $$;

-- As delete_user_2 (0014_groups.sql), but that what whoever is gone has set for themselves goes with them, and where they are mentioned.
create function delete_user_3(
  target bigint, actor bigint, texts boolean,
  out outcome text -- null: done; else the stable name of an error
) language plpgsql as $$
declare
  one record;
  stored jsonb;
  heir bigint;
begin
  perform from users where is_admin and suspended_at is null order by user_id for update;
  if (select is_admin and suspended_at is null from users where user_id = target)
    and not exists (select from users where is_admin and suspended_at is null and user_id <> target) then
    outcome := 'last_admin';
    return;
  end if;
  update users set username = 'deleted user #' || target, password = '', name_key = '', legacy = true,
    skeleton = '', lookalike = true, words_known = true, is_admin = false, created_at = null, plain_at = null,
    factor_secret = null, factor_step = null, suspended_at = now(), tokens_from = now(), deleted_at = now(), muted_until = null, erase = 1 + texts::int
  where user_id = target and deleted_at is null;
  if not found then
    -- Who is gone already may have left texts.
    update users set erase = 1 + texts::int where user_id = target and texts;
    if not found then
      outcome := 'user_not_found';
      return;
    end if;
  end if;
  delete from name_words where user_id = target;
  delete from friends where user_id = target or friend_id = target;
  delete from resets where user_id = target;
  delete from recovery_codes where user_id = target;
  delete from sessions where user_id = target;
  delete from presence where user_id = target;
  delete from plain_gaps where user_id = target;
  delete from settings where user_id = target;
  update invites set revoked_at = now() where made_by = target and revoked_at is null;
  perform from conversations c where ((user_a = target or user_b = target) and not closed) or (user_a is null
    and conversation_id in (select m.conversation_id from members m where m.user_id = target and m.last_seq is null))
  order by conversation_id for update;
  update conversations set closed = true, a_blocks = false, b_blocks = false
  where (user_a = target or user_b = target) and not closed;
  for one in
    select m.conversation_id, m.role from members m join groups g using (conversation_id)
    where m.user_id = target and m.last_seq is null order by 1
  loop
    stored := add_event_1(one.conversation_id, target, jsonb_build_object('action', 'left'));
    perform leave_group_1(one.conversation_id, target, (stored ->> 'seq')::bigint);
    if one.role = 2 and not exists (
      select from members where conversation_id = one.conversation_id and role = 2 and last_seq is null
    ) then
      select user_id into heir from members where conversation_id = one.conversation_id and last_seq is null
      order by role desc, joined_seq, user_id limit 1;
      if found then
        update members set role = 2 where user_id = heir and conversation_id = one.conversation_id;
        perform add_event_1(one.conversation_id, target,
          jsonb_build_object('action', 'role', 'user_ids', jsonb_build_array(heir), 'role', 'owner'));
      end if;
    end if;
  end loop;
  update members set last_seq = coalesce((select seq from messages m where m.conversation_id = members.conversation_id
    order by seq desc limit 1), 0)
  where user_id = target and last_seq is null and exists (
    select from conversations c where c.conversation_id = members.conversation_id and c.user_a is null);
  delete from mentions where user_id = target
    and conversation_id = any (array(select m.conversation_id from members m where m.user_id = target));
  insert into rings (user_id) values (target);
  insert into audit (actor_id, action, user_id) values (actor, case when texts then 'delete_with_messages' else 'delete' end, target);
end $$;

-- For a server of an earlier version beside this one.
create or replace function delete_user_2(target bigint, actor bigint, texts boolean, out outcome text) language sql as $$
  select outcome from delete_user_3(target, actor, texts)
$$;
