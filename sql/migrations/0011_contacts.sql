-- Who knows whom, and who is kept out.
--
-- `friends`, which the reference made and never wrote but by hand: `user_id` wants `friend_id` for a contact. Where both want it they
-- are contacts, else it is a request. All its rows from before mean contacts, whichever direction is there.
alter table friends add column at timestamptz;
delete from friends where user_id is null or friend_id is null or user_id = friend_id;
insert into friends (user_id, friend_id) select friend_id, user_id from friends on conflict do nothing;
alter table friends
  alter column user_id set not null,
  alter column friend_id set not null,
  alter column at set default now();
create index friends_friend on friends (friend_id, user_id);

-- One of the two has blocked the other: then nothing is stored in what they have together. Whoever is blocked before anything was
-- said gets a conversation without messages, so that there is one row to lock and to read, whatever comes first. It is rewritten
-- once in a blue moon, and storing locks it anyway.
alter table conversations
  add column a_blocks boolean not null default false,
  add column b_blocks boolean not null default false;
create index conversations_blocks_a on conversations (user_a) where a_blocks or b_blocks;
create index conversations_blocks_b on conversations (user_b) where a_blocks or b_blocks;

-- Grows with whatever changes of a user's contacts, requests and blocks.
alter table users add column contacts_version bigint not null default 0;

-- Of people whom one knows, some are found by a word of their names.
create index name_words_user on name_words (user_id);

-- Whether one has blocked the other.
create function blocks_1(blocker bigint, other bigint) returns boolean language sql as $$
  select coalesce((
    select case when c.user_a = blocker then c.a_blocks else c.b_blocks end from conversations c
    where c.user_a = least(blocker, other) and c.user_b = greatest(blocker, other)
  ), false)
$$;

-- What changes between two people is changed under the locks of both their rows, in the order of their ids: so whoever asks while
-- they are asked, and whoever is blocked while they ask, comes first or second, and no list gets longer than it may.

-- Asks somebody to be a contact, or accepts that they have asked.
create function add_contact_1(
  asker bigint, asked bigint,
  contacts_at_most int, requests_at_most int,
  out outcome text -- of the asker: `contact`, `asked`; else the stable name of an error
) language plpgsql as $$
declare
  accepts boolean;
begin
  perform from users where user_id in (asker, asked) order by user_id for no key update;
  if not exists (select from users where user_id = asked and deleted_at is null) then
    outcome := 'user_not_found';
  elsif blocks_1(asker, asked) or blocks_1(asked, asker) then
    outcome := 'not_accepted';
  else
    accepts := exists (select from friends where user_id = asked and friend_id = asker);
    outcome := case when accepts then 'contact' else 'asked' end;
    if exists (select from friends where user_id = asker and friend_id = asked) then
      return;
    end if;
    if accepts and (
      contacts_at_most <= (select count(*) from friends f where f.user_id = asker and exists (
        select from friends x where x.user_id = f.friend_id and x.friend_id = asker))
      or contacts_at_most <= (select count(*) from friends f where f.user_id = asked and exists (
        select from friends x where x.user_id = f.friend_id and x.friend_id = asked))
    ) or not accepts and requests_at_most <= (select count(*) from friends f where f.user_id = asker and not exists (
      select from friends x where x.user_id = f.friend_id and x.friend_id = asker))
    then
      outcome := 'list_full';
      return;
    end if;
    insert into friends (user_id, friend_id) values (asker, asked);
    update users set contacts_version = contacts_version + 1 where user_id in (asker, asked);
    insert into rings (user_id) values (asker), (asked);
  end if;
end $$;

-- Ends that two are contacts, or that one has asked to be.
create function remove_contact_1(
  target bigint, other bigint,
  out removed boolean -- whether there was something
) language plpgsql as $$
begin
  perform from users where user_id in (target, other) order by user_id for no key update;
  delete from friends where (user_id = target and friend_id = other) or (user_id = other and friend_id = target);
  removed := found;
  if removed then
    update users set contacts_version = contacts_version + 1 where user_id in (target, other);
    insert into rings (user_id) values (target), (other);
  end if;
end $$;

-- Blocks somebody, which also ends that the two are contacts. Once this is committed nothing more is stored between them.
create function block_1(
  blocker bigint, other bigint,
  at_most int,
  out outcome text -- null: done; else the stable name of an error
) language plpgsql as $$
begin
  perform from users where user_id in (blocker, other) order by user_id for no key update;
  if not exists (select from users where user_id = other and deleted_at is null) then
    outcome := 'user_not_found';
    return;
  end if;
  if blocks_1(blocker, other) then
    return;
  end if;
  if at_most <= (select count(*) from conversations where user_a = blocker and a_blocks)
    + (select count(*) from conversations where user_b = blocker and b_blocks)
  then
    outcome := 'list_full';
    return;
  end if;
  with made as (
    insert into conversations (user_a, user_b) values (least(blocker, other), greatest(blocker, other))
    on conflict (user_a, user_b) do nothing returning conversation_id
  )
  insert into members (user_id, conversation_id)
  select m.id, made.conversation_id from made cross join unnest(array[blocker, other]) m(id);
  update conversations set a_blocks = a_blocks or user_a = blocker, b_blocks = b_blocks or user_b = blocker
  where user_a = least(blocker, other) and user_b = greatest(blocker, other);
  perform remove_contact_1(blocker, other);
  update users set contacts_version = contacts_version + 1 where user_id in (blocker, other);
  insert into rings (user_id) values (blocker), (other);
end $$;

-- Takes a block back; what was ended by it isn't begun again.
create function unblock_1(
  blocker bigint, other bigint,
  out unblocked boolean -- whether there was a block
) language plpgsql as $$
begin
  perform from users where user_id in (blocker, other) order by user_id for no key update;
  update conversations set a_blocks = a_blocks and user_a <> blocker, b_blocks = b_blocks and user_b <> blocker
  where user_a = least(blocker, other) and user_b = greatest(blocker, other)
    and case when user_a = blocker then a_blocks else b_blocks end;
  unblocked := found;
  if unblocked then
    update users set contacts_version = contacts_version + 1 where user_id in (blocker, other);
    insert into rings (user_id) values (blocker), (other);
  end if;
end $$;
