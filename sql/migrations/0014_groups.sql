-- Groups and channels: conversations that people make, come into and leave.
--
-- Whatever is changed of one is changed under the lock of its conversation's row, as storing is: so what is stored comes before a
-- change or after it. Each change is a message, of the kind `event`.

create table groups (
  conversation_id bigint primary key,
  kind text collate "C" not null, -- group; channel: listed, and joined by oneself
  title text not null,
  title_key text collate "C" not null, -- folded by the server, as `users.name_key` is
  history text collate "C" not null, -- what those see who come: all; joining: what is stored from then on
  members int not null default 0, -- how many there are
  made_by bigint not null,
  client_id text collate "C", -- the maker's own; the same again is the same group
  created_at timestamptz not null default now(),
  archived_at timestamptz, -- by the operator: nobody writes any more
  unique (made_by, client_id)
);

-- Channels are found by every word of their titles, as people are by their names: what begins with it, the whole title among them.
create table channel_words (
  word text collate "C" not null,
  conversation_id bigint not null,
  primary key (word, conversation_id)
);
create index channel_words_conversation on channel_words (conversation_id);
create index groups_channels on groups (title_key, conversation_id) where kind = 'channel' and archived_at is null;

-- Who may write: those with at least this role. 3: nobody.
alter table conversations add column posting smallint not null default 0;

-- `role`, so far unused: 0 member, 1 moderator, 2 owner. `joined_seq`: the event by which they came, the last time; null in what is no
-- group. `hidden`: places between `first_seq` and `last_seq` that aren't for them, since they weren't there. `left_as`: what was said of
-- the group when they left it; what came of it later isn't for them.
alter table members
  add column joined_seq bigint,
  add column hidden int8multirange,
  add column left_as jsonb;
create index members_roles on members (conversation_id, role) where role > 0;
create index members_left on members (conversation_id, last_seq) where last_seq is not null and joined_seq is not null;

alter table audit add column conversation_id bigint;

-- Replicas keep who is in a conversation by its version. So that none is wrong, whoever changes members changes that.
create function members_changed() returns trigger language plpgsql as $$
declare
  ids bigint[];
begin
  -- In the order of everybody else, whatever the order of their members.
  ids := array(select conversation_id from conversations
    where user_a is null and conversation_id = any (array(select distinct conversation_id from changed))
    order by conversation_id for no key update);
  if cardinality(ids) > 0 then
    update conversations set version = version + 1 where conversation_id = any (ids);
  end if;
  return null;
end $$;
create trigger members_added after insert on members
  referencing new table as changed for each statement execute function members_changed();
create trigger members_updated after update on members
  referencing new table as changed for each statement execute function members_changed();
create trigger members_deleted after delete on members
  referencing old table as changed for each statement execute function members_changed();

-- As append_2 (0012_append.sql), step by step, but that it
--
--   names the members of a conversation only to who doesn't know them by its version, so that storing costs the same for many
--   stores nothing of who isn't let write: as that of an outsider, which is left out in the next call
create function append_3(
  a bigint[], b bigint[],
  named bigint[],
  known bigint[], -- of each that is named the version whose members are known; -1: none
  counts int[],
  places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[],
  acquainted boolean,
  out ids bigint[],
  out ends bigint[],
  out versions bigint[], -- of each that is named
  out rosters json, -- of each that is named its members, null where they are known
  out outsiders int[],
  out muted int[], -- messages, from 1, whose senders aren't let write; null where there is none
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
    raise exception 'append_3 needs read committed, not %', current_setting('transaction_isolation');
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

-- A server of an earlier version beside this one knows nobody who isn't let write: to it they are outsiders.
create or replace function append_2(
  a bigint[], b bigint[], named bigint[], counts int[], places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[], acquainted boolean,
  out ids bigint[], out ends bigint[], out rosters json, out outsiders int[], out refused int[], out msg_ids bigint[],
  out at timestamptz
) language sql as $$
  select ids, ends, rosters, nullif(coalesce(outsiders, '{}') || coalesce(muted, '{}'), '{}'), refused, msg_ids, at
  from append_3(a, b, named, array_fill(-1::bigint, array[cardinality(named)]), counts, places, ranks,
    senders, client_ids, contents, acquainted)
$$;

-- Writes down what was done to a group whose row is locked.
create function add_event_1(target bigint, actor bigint, event jsonb) returns jsonb language plpgsql as $$
declare
  place bigint;
  number bigint := nextval('message_ids');
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'add_event_1 needs read committed, not %', current_setting('transaction_isolation');
  end if;
  place := 1 + coalesce((
    select seq from messages m where m.conversation_id = target order by seq desc limit 1
  ), (
    select first_seq - 1 from conversations c where c.conversation_id = target
  ), 0);
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content, kind, extra)
  values (target, place, number, actor, now(), '~event.' || number, '', 'event', event);
  insert into batches (conversations, ends) values (array[target], array[place]);
  return jsonb_build_object('seq', place, 'msg_id', number, 'event', event);
end $$;

-- Why somebody can't add these people; null: they can.
create function addable_1(actor bigint, people bigint[], acquainted boolean) returns text language sql as $$
  select case when exists (
    select from unnest(people) p(id)
    where (select true from users u where u.user_id = p.id and u.deleted_at is null) is not true
  ) then 'user_not_found' when exists (
    select from unnest(people) p(id)
    where blocks_1(actor, p.id) or blocks_1(p.id, actor)
      or acquainted and ((select true from friends where user_id = actor and friend_id = p.id)
        and (select true from friends where user_id = p.id and friend_id = actor)) is not true
  ) then 'not_accepted' end
$$;

-- Puts people into a group by the event at a place. Who returns sees what they saw, and not what came between unless all see all.
create function enter_group_1(target bigint, people bigint[], as_role smallint, place bigint, sees_all boolean)
returns void language sql as $$
  insert into members as m (user_id, conversation_id, first_seq, role, joined_seq)
  select p.id, target, case when sees_all then 1 else place end, as_role, place from unnest(people) p(id) order by 1
  on conflict (user_id, conversation_id) do update set
    hidden = case when not sees_all then nullif(coalesce(m.hidden, '{}') + int8multirange(int8range(m.last_seq + 1, place)), '{}') end,
    first_seq = case when sees_all then 1 else m.first_seq end,
    last_seq = null, left_as = null, role = excluded.role, joined_seq = excluded.joined_seq;
  update groups set members = members + cardinality(people) where conversation_id = target;
$$;

-- Takes somebody out of a group by the event at a place, which is the last that they see.
create function leave_group_1(target bigint, person bigint, place bigint) returns void language sql as $$
  update members m set last_seq = place, role = 0, left_as = (
    select jsonb_build_object('title', g.title, 'history', g.history, 'members', g.members,
      'posting', case when c.posting > 0 then 'moderators' else 'all' end)
    from groups g join conversations c using (conversation_id) where g.conversation_id = target)
  where m.user_id = person and m.conversation_id = target;
  update groups set members = members - 1 where conversation_id = target;
$$;

-- Makes channels found by a title.
create function name_channel_1(target bigint, words text[]) returns void language sql as $$
  delete from channel_words where conversation_id = target;
  insert into channel_words (word, conversation_id) select distinct word, target from unnest(words) word;
$$;

-- Makes a group, with people in it. Who makes it owns it.
create function make_group_1(
  maker bigint, own_id text, -- null: none
  of_kind text, its_title text, key text, words text[],
  its_posting smallint, its_history text,
  people bigint[], acquainted boolean,
  made_at_most int, members_at_most int,
  out outcome text, -- null: done; else the stable name of an error
  out id bigint,
  out events json, -- what was stored: seq, msg_id, event; null where the maker had made it before
  out roster bigint[],
  out at timestamptz
) language plpgsql as $$
declare
  stored jsonb[];
  others bigint[];
begin
  -- One at a time of each maker.
  perform from users where user_id = maker and deleted_at is null for no key update;
  if not found then
    outcome := 'user_not_found';
    return;
  end if;
  select conversation_id into id from groups where made_by = maker and client_id = own_id;
  if id is not null then
    return;
  end if;
  others := array(select distinct p from unnest(people) p where p <> maker order by 1);
  perform from users where user_id = any (others) order by user_id for key share;
  outcome := addable_1(maker, others, acquainted);
  if outcome is null and made_at_most <= (select count(*) from groups where made_by = maker) then
    outcome := 'too_many_groups';
  end if;
  if outcome is null and members_at_most < 1 + cardinality(others) then
    outcome := 'group_full';
  end if;
  if outcome is not null then
    return;
  end if;
  insert into conversations (posting) values (its_posting) returning conversation_id into id;
  insert into groups (conversation_id, kind, title, title_key, history, made_by, client_id)
  values (id, of_kind, its_title, key, its_history, maker, own_id);
  if of_kind = 'channel' then
    perform name_channel_1(id, words);
  end if;
  perform enter_group_1(id, array[maker], 2::smallint, 1, true);
  stored := array[add_event_1(id, maker, jsonb_build_object('action', 'made', 'title', its_title))];
  if cardinality(others) > 0 then
    perform enter_group_1(id, others, 0::smallint, 2, its_history = 'all');
    stored := stored || add_event_1(id, maker, jsonb_build_object('action', 'added', 'user_ids', to_jsonb(others)));
  end if;
  events := array_to_json(stored);
  roster := maker || others;
  at := now();
end $$;

-- Changes a group, for who may. What changes nothing is done without a word.
create function change_group_1(
  target bigint, actor bigint,
  change text, -- join; add; remove, which oneself is to leave; role; set
  people bigint[], -- of add, remove and role
  new_role smallint, -- of role
  new_title text, key text, words text[], new_posting smallint, new_history text, -- of set; null: as it is
  acquainted boolean,
  group_at_most int, channel_at_most int,
  out outcome text, -- null: done; else the stable name of an error
  out events json, -- what was stored: seq, msg_id, event; null where nothing was
  out roster bigint[], -- who is to hear of it: who is in it now, and who was before
  out at timestamptz
) language plpgsql as $$
declare
  g record;
  writers smallint;
  actor_role smallint;
  their_role smallint;
  person bigint := people[1];
  fresh bigint[];
  stored jsonb[] := '{}';
begin
  -- As whoever is deleted is locked: before their conversations.
  perform from users where user_id = any (people || actor) order by user_id for key share;
  select posting into writers from conversations where conversation_id = target for no key update;
  select * into g from groups where conversation_id = target;
  select role into actor_role from members where user_id = actor and conversation_id = target and last_seq is null;
  if g is null or actor_role is null and (change <> 'join' or g.kind <> 'channel') then
    outcome := 'conversation_not_found';
    return;
  end if;
  if g.archived_at is not null and (change <> 'remove' or person <> actor) then
    outcome := 'posting_closed';
    return;
  end if;

  if change = 'join' or change = 'add' then
    fresh := array(select distinct p from unnest(case when change = 'join' then array[actor] else people end) p
      where not exists (select from members m where m.user_id = p and m.conversation_id = target and m.last_seq is null) order by 1);
    if change = 'add' and actor_role < writers then
      outcome := 'posting_closed';
    elsif cardinality(fresh) = 0 then
      return;
    else
      outcome := addable_1(actor, fresh, acquainted and change = 'add');
    end if;
    if outcome is null
      and g.members + cardinality(fresh) > (case when g.kind = 'channel' then channel_at_most else group_at_most end) then
      outcome := 'group_full';
    end if;
    if outcome is not null then
      return;
    end if;
    stored := array[add_event_1(target, actor, case when change = 'join' then jsonb_build_object('action', 'joined')
      else jsonb_build_object('action', 'added', 'user_ids', to_jsonb(fresh)) end)];
    perform enter_group_1(target, fresh, 0::smallint, (stored[1] ->> 'seq')::bigint, g.history = 'all');

  elsif change = 'remove' or change = 'role' then
    select role into their_role from members where user_id = person and conversation_id = target and last_seq is null;
    outcome := case
      when change = 'role' and actor_role < 2 then 'owner_needed'
      when change = 'remove' and person <> actor and actor_role < 1 then 'moderator_needed'
      when their_role is null then 'member_not_found'
      when change = 'remove' and person <> actor and actor_role < 2 and their_role > 0 then 'owner_needed'
      when their_role = 2 and (change = 'remove' and g.members > 1 or new_role < 2) and not exists (
        select from members where conversation_id = target and role = 2 and last_seq is null and user_id <> person
      ) then 'last_owner'
    end;
    if outcome is not null or change = 'role' and their_role = new_role then
      return;
    end if;
    stored := array[add_event_1(target, actor, case
      when change = 'role' then jsonb_build_object('action', 'role', 'user_ids', to_jsonb(people),
        'role', (array['member', 'moderator', 'owner'])[1 + new_role])
      when person = actor then jsonb_build_object('action', 'left')
      else jsonb_build_object('action', 'removed', 'user_ids', to_jsonb(people)) end)];
    if change = 'role' then
      update members set role = new_role where user_id = person and conversation_id = target;
    else
      perform leave_group_1(target, person, (stored[1] ->> 'seq')::bigint);
      roster := people;
    end if;

  else
    outcome := case
      when actor_role < 2 and (new_posting <> writers or new_history <> g.history) then 'owner_needed'
      when actor_role < 1 and new_title <> g.title then 'moderator_needed'
    end;
    if outcome is not null then
      return;
    end if;
    if new_title <> g.title then
      update groups set title = new_title, title_key = key where conversation_id = target;
      if g.kind = 'channel' then
        perform name_channel_1(target, words);
      end if;
      stored := stored || add_event_1(target, actor, jsonb_build_object('action', 'renamed', 'title', new_title));
    end if;
    if new_posting <> writers then
      update conversations set posting = new_posting, version = version + 1 where conversation_id = target;
      stored := stored || add_event_1(target, actor, jsonb_build_object('action', 'posting',
        'posting', case when new_posting > 0 then 'moderators' else 'all' end));
    end if;
    if new_history <> g.history then
      update groups set history = new_history where conversation_id = target;
      stored := stored || add_event_1(target, actor, jsonb_build_object('action', 'history', 'history', new_history));
    end if;
    if cardinality(stored) = 0 then
      return;
    end if;
  end if;
  events := array_to_json(stored);
  roster := array(select user_id from members where conversation_id = target and last_seq is null) || coalesce(roster, '{}');
  at := now();
end $$;

-- The operator makes somebody an owner, who needn't be in it.
create function own_group_1(target bigint, person bigint, out outcome text) language plpgsql as $$
declare
  place bigint;
begin
  perform from users where user_id = person and deleted_at is null for key share;
  if not found then
    outcome := 'user_not_found';
    return;
  end if;
  perform from conversations where conversation_id = target for no key update;
  if not exists (select from groups where conversation_id = target) then
    outcome := 'conversation_not_found';
    return;
  end if;
  if exists (select from members where user_id = person and conversation_id = target and last_seq is null) then
    update members set role = 2 where user_id = person and conversation_id = target;
  else
    -- There is no event, so they come with whatever is next.
    place := 1 + (select seq from messages where conversation_id = target order by seq desc limit 1);
    perform enter_group_1(target, array[person], 2::smallint, place, (select history = 'all' from groups where conversation_id = target));
  end if;
  insert into audit (action, user_id, conversation_id) values ('own_group', person, target);
end $$;

-- As delete_user_1 (0013_delete_user.sql), but that whoever is gone leaves their groups, each with an event, and that a group which they
-- alone owned is owned by its oldest moderator then, or else by its oldest member.
create function delete_user_2(
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
    factor_secret = null, factor_step = null, suspended_at = now(), tokens_from = now(), deleted_at = now(), erase = 1 + texts::int
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
  insert into rings (user_id) values (target);
  insert into audit (actor_id, action, user_id) values (actor, case when texts then 'delete_with_messages' else 'delete' end, target);
end $$;

-- For a server of an earlier version beside this one.
create or replace function delete_user_1(target bigint, actor bigint, texts boolean, out outcome text) language sql as $$
  select outcome from delete_user_2(target, actor, texts)
$$;
