-- What a group is about: its topic. An event of its own says when it changes.
--
-- A server of an earlier version beside this one leaves it as it is.

alter table groups add column topic text not null default '';

-- As before (0014_groups.sql), but that the topic is kept as well of what was said of the group.
create or replace function leave_group_1(target bigint, person bigint, place bigint) returns void language sql as $$
  update members m set last_seq = place, role = 0, left_as = (
    select jsonb_strip_nulls(jsonb_build_object('title', g.title, 'topic', nullif(g.topic, ''), 'history', g.history,
      'members', g.members, 'posting', case when c.posting > 0 then 'moderators' else 'all' end))
    from groups g join conversations c using (conversation_id) where g.conversation_id = target)
  where m.user_id = person and m.conversation_id = target;
  update groups set members = members - 1 where conversation_id = target;
$$;

-- Gives a group, whose row is locked, another topic.
create function set_topic_1(target bigint, actor bigint, new_topic text) returns jsonb language plpgsql as $$
begin
  update groups set topic = new_topic where conversation_id = target;
  return add_event_1(target, actor, jsonb_build_object('action', 'topic', 'topic', new_topic));
end $$;

-- As make_group_1 (0014_groups.sql), but that the group may have a topic.
create function make_group_2(
  maker bigint, own_id text, -- null: none
  of_kind text, its_title text, key text, words text[],
  its_topic text, -- empty: none
  its_posting smallint, its_history text,
  people bigint[], acquainted boolean,
  made_at_most int, members_at_most int,
  out outcome text, -- null: done; else the stable name of an error
  out id bigint,
  out events json, -- what was stored: seq, msg_id, event; null where the maker had made it before
  out roster bigint[],
  out at timestamptz
) language plpgsql as $$
begin
  select * into outcome, id, events, roster, at from make_group_1(maker, own_id, of_kind, its_title, key, words,
    its_posting, its_history, people, acquainted, made_at_most, members_at_most);
  if events is not null and its_topic <> '' then
    events := (events::jsonb || set_topic_1(id, maker, its_topic))::json;
  end if;
end $$;

-- As change_group_1 (0014_groups.sql), but that the topic may be among what is set: by whoever may change the title.
create function change_group_2(
  target bigint, actor bigint,
  change text, -- join; add; remove, which oneself is to leave; role; set
  people bigint[], -- of add, remove and role
  new_role smallint, -- of role
  new_title text, key text, words text[], new_topic text, new_posting smallint, new_history text, -- of set; null: as it is
  acquainted boolean,
  group_at_most int, channel_at_most int,
  out outcome text, -- null: done; else the stable name of an error
  out events json, -- what was stored: seq, msg_id, event; null where nothing was
  out roster bigint[], -- who is to hear of it: who is in it now, and who was before
  out at timestamptz
) language plpgsql as $$
declare
  is_other boolean := false;
begin
  if new_topic is not null then
    -- Before anything is changed: what is refused in part is refused as a whole. In the order of change_group_1.
    perform from users where user_id = any (people || actor) order by user_id for key share;
    perform from conversations where conversation_id = target for no key update;
    select g.topic <> new_topic, case when m.role < 1 and g.topic <> new_topic and g.archived_at is null then 'moderator_needed' end
    into is_other, outcome
    from groups g join members m on m.conversation_id = g.conversation_id and m.user_id = actor and m.last_seq is null
    where g.conversation_id = target;
    if outcome is not null then
      return;
    end if;
  end if;
  select * into outcome, events, roster, at from change_group_1(target, actor, change, people, new_role,
    new_title, key, words, new_posting, new_history, acquainted, group_at_most, channel_at_most);
  if outcome is null and is_other then
    events := (coalesce(events::jsonb, '[]') || set_topic_1(target, actor, new_topic))::json;
    roster := array(select user_id from members where conversation_id = target and last_seq is null);
    at := now();
  end if;
end $$;

-- As before (0016_changes.sql), but that topics are erased as titles are.
create or replace function erase_1(
  person bigint,
  after bigint, -- the conversation to go on in
  at_most int,
  out what smallint, -- what is to be erased; null: nothing any more
  out next bigint, -- that conversation; null: there is none
  out erased int
) language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  chosen bigint[];
  texts bigint[];
  prior bigint;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'erase_1 needs read committed, not %', current_setting('transaction_isolation');
  end if;
  select erase into what from users where user_id = person and erase is not null;
  select conversation_id into next from members where user_id = person and conversation_id >= after order by 1 limit 1;
  if what is null or next is null then
    return;
  end if;
  perform from conversations where conversation_id = next for no key update;
  chosen := array(select m.seq from messages m
    where m.conversation_id = next and m.from_user_id = person and (m.client_id not like '~%'
      or what = 2 and (m.kind is null or m.kind = 'event' and m.extra ?| array['title', 'topic'])) limit at_most);
  erased := cardinality(chosen);
  update messages m set client_id = '~gone.' || m.msg_id where m.conversation_id = next and m.seq = any (chosen);
  if what < 2 then
    return;
  end if;
  update messages m set extra = m.extra - array['title', 'topic']
  where m.conversation_id = next and m.seq = any (chosen) and m.kind = 'event';
  texts := array(select m.seq from messages m
    where m.conversation_id = next and m.seq = any (chosen) and m.kind is null order by m.seq);
  if cardinality(texts) = 0 then
    return;
  end if;
  prior := coalesce((select change from changes c where c.conversation_id = next order by change desc limit 1), 0);
  insert into changes (conversation_id, change, seq, at)
  select next, prior + i, place, now() from unnest(texts) with ordinality t(place, i);
  perform forget_message_1(next, place) from unnest(texts) place;
  update messages m set change = prior + t.i from unnest(texts) with ordinality t(place, i)
  where m.conversation_id = next and m.seq = t.place;
  insert into batches (conversations, ends, changes) values (array[next],
    array[(select seq from messages x where x.conversation_id = next order by seq desc limit 1)], array[prior + cardinality(texts)]);
end $$;
