-- Who may have an account: invites, one-time links that set a password, names that can't be told apart, and people who are gone.
-- Of every code only its SHA-256 is kept.

-- `skeleton`: what the name looks like, folded by the server (schemas/name.ts); null where that isn't done yet. `lookalike` marks
-- rows from before whose skeleton another row has already: they keep working, and nobody can register such a name any more.
-- `erase`: what is still to be erased of who is gone (sql/accounts.ts): 1 the ids that they gave to their messages, 2 the
-- texts, too; null where nothing is.
alter table users
  add column skeleton text collate "C",
  add column lookalike boolean not null default false,
  add column deleted_at timestamptz,
  add column erase smallint;
create unique index users_skeleton on users (skeleton) where not lookalike;
create index users_skeleton_missing on users (user_id) where skeleton is null;
create index users_admins on users (user_id) where is_admin;
create index users_erase on users (user_id) where erase is not null;

-- Whether somebody has had an account here: the first becomes an admin.
alter table installation add column founded boolean not null default false;
update installation set founded = exists (select from users);

-- `first`: made by the start of an empty installation, and of no use in any other.
create table invites (
  invite_id bigint generated always as identity primary key,
  code bytea not null unique,
  made_by bigint, -- null: the operator
  made_at timestamptz not null default now(),
  expires_at timestamptz not null,
  uses_left int not null,
  revoked_at timestamptz,
  first boolean not null default false
);

create table resets (
  user_id bigint primary key,
  code bytea not null unique,
  expires_at timestamptz not null
);

-- Who did what to whom, by ids.
create table audit (
  audit_id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  actor_id bigint, -- null: the operator
  action text not null,
  user_id bigint,
  invite_id bigint
);

-- Who has left says nothing more, and nothing is said to them.
alter table conversations add column closed boolean not null default false;

-- As append_1 (0005_append.sql), but nothing is stored in what is closed, and none is made with somebody who is gone. Both are read
-- under locks: of the conversation, and, where one is made, of its users.
create function append_2(
  a bigint[], b bigint[],
  named bigint[],
  counts int[],
  places int[], ranks int[],
  senders bigint[], client_ids text[], contents text[],
  out ids bigint[], -- of each conversation; null where one of its users isn't there
  out ends bigint[],
  out rosters json,
  out outsiders int[],
  out msg_ids bigint[],
  out at timestamptz
) language plpgsql as $$
declare
  locked bigint[];
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
  locked := array(
    select conversation_id from conversations where conversation_id = any (ids) and not closed
    order by conversation_id for no key update);
  -- One may have been closed while this waited for it.
  if cardinality(a) > 0 and cardinality(locked) < cardinality(ids) then
    ids[1:cardinality(a)] := array(
      select case when t.id = any (locked) then t.id end from unnest(ids[1:cardinality(a)]) with ordinality t(id, i) order by t.i);
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

-- Empties who somebody was, ends their sessions and closes their conversations, which stay to be read by the others. The row stays,
-- so that their number is nobody else's. Each statement sees what was committed when it began: once the user's row is changed,
-- append_2 makes no further conversation, so that all of them are closed.
create function delete_user_1(
  target bigint, actor bigint, texts boolean,
  out outcome text -- null: done; else the stable name of an error
) language plpgsql as $$
begin
  perform from users where is_admin and suspended_at is null order by user_id for update;
  if (select is_admin and suspended_at is null from users where user_id = target)
    and not exists (select from users where is_admin and suspended_at is null and user_id <> target) then
    outcome := 'last_admin';
    return;
  end if;
  update users set username = 'deleted user #' || target, password = '', name_key = '', legacy = true,
    skeleton = '', lookalike = true, words_known = true, is_admin = false, created_at = null, plain_at = null,
    suspended_at = now(), tokens_from = now(), deleted_at = now(), erase = 1 + texts::int
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
  delete from sessions where user_id = target;
  delete from presence where user_id = target;
  delete from plain_gaps where user_id = target;
  update invites set revoked_at = now() where made_by = target and revoked_at is null;
  perform from conversations where (user_a = target or user_b = target) and not closed order by conversation_id for update;
  update conversations set closed = true where (user_a = target or user_b = target) and not closed;
  update members set last_seq = coalesce((select seq from messages m where m.conversation_id = members.conversation_id
    order by seq desc limit 1), 0)
  where user_id = target and last_seq is null and exists (
    select from conversations c where c.conversation_id = members.conversation_id and c.user_a is null);
  insert into rings (user_id) values (target);
  insert into audit (actor_id, action, user_id) values (actor, case when texts then 'delete_with_messages' else 'delete' end, target);
end $$;
