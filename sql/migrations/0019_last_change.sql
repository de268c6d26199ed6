-- The last change of a conversation is looked up once for all changes of a batch, not for each: `change_1` as it was, but for that.

create or replace function change_1(
  targets bigint[], places bigint[], actors bigint[],
  kinds text[], -- edit, delete, react, unreact, pin, unpin
  emojis text[], -- of react and unreact
  contents text[], extras text[], -- of edit
  bases bigint[], -- of edit the change of the state that it was made on; null: whatever it is
  edit_minutes int, -- 0: at any time
  kinds_at_most int, pins_at_most int,
  all_at_most int, -- members of a group up to which everybody may mention all
  out outcomes text[],
  out numbers bigint[], -- of those that were done
  out at timestamptz
) language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  stamp timestamptz := now();
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'change_1 needs read committed, not %', current_setting('transaction_isolation');
  end if;
  at := stamp;

  -- (1)
  perform from conversations where conversation_id = any (targets) order by conversation_id for no key update;

  -- Between two nobody is mentioned.
  if exists (select from unnest(extras) extra where extra is not null) then
    extras := array(select case when c.user_a is null then o.extra end
      from unnest(targets, extras) with ordinality o(target, extra, i)
      left join lateral (select user_a from conversations x where x.conversation_id = o.target limit 1) c on true order by o.i);
  end if;

  -- (2)
  with judged as materialized (
    select o.*, case
      when me.role is null then 'conversation_not_found'
      when m.seq is null or m.kind = 'event' then 'message_not_found'
      when o.kind = 'delete' then case
        when m.kind = 'deleted' then 'same'
        when m.from_user_id = o.actor then null
        when c.user_a is not null then 'not_author'
        when me.role < 1 then 'moderator_needed' end
      when m.kind = 'deleted' then 'deleted'
      when c.closed then 'conversation_not_found'
      when c.a_blocks or c.b_blocks then 'not_accepted'
      when o.kind = 'edit' then case
        when m.from_user_id <> o.actor then 'not_author'
        when me.role < c.posting then 'posting_closed'
        when m.content = o.content and m.extra is not distinct from o.extra::jsonb then 'same'
        when edit_minutes > 0 and m.created_at < stamp - make_interval(mins => edit_minutes) then 'edit_too_late'
        when o.base < coalesce(m.edited, 0) then 'conflict'
        when me.role < 1 and o.extra::jsonb ? 'all'
          and (select members from groups where conversation_id = o.target) > all_at_most then 'moderator_needed' end
      when o.kind in ('react', 'unreact') then case
        when c.posting > 2 then 'posting_closed'
        when (o.kind = 'react') = exists (select from reactions r where r.conversation_id = o.target and r.seq = o.place
          and r.emoji = o.emoji and r.user_id = o.actor) then 'same' end
      else case
        when me.role < c.posting then 'posting_closed'
        when (o.kind = 'pin') = exists (select from pins p where p.conversation_id = o.target and p.seq = o.place) then 'same'
        when o.kind = 'pin' and (select count(*) from pins p where p.conversation_id = o.target) >= pins_at_most
          then 'too_many_pins' end
      end as outcome
    from unnest(targets, places, actors, kinds, emojis, contents, extras, bases) with ordinality
      o(target, place, actor, kind, emoji, content, extra, base, i)
    left join lateral (select * from conversations x where x.conversation_id = o.target limit 1) c on true
    left join lateral (
      select * from members x where x.user_id = o.actor and x.conversation_id = o.target and x.last_seq is null limit 1
    ) me on true
    left join lateral (
      select * from messages x where x.conversation_id = o.target and x.seq = o.place
        and x.seq >= me.first_seq and (me.hidden is null or not me.hidden @> x.seq) limit 1
    ) m on true
  ), kind_counted as (
    select j.*, case when outcome is null and kind = 'react' and not exists (
        select from reactions r where r.conversation_id = target and r.seq = place and r.emoji = j.emoji)
      then (select count(distinct r.emoji) from reactions r where r.conversation_id = target and r.seq = place) end as others
    from judged j
  ), bounded as (
    select i, target, case when others + dense_rank() over (partition by target, place, others is null order by emoji) > kinds_at_most
      then 'too_many_reactions' else outcome end as outcome
    from kind_counted
  ), ranked as (
    select *, row_number() over (partition by target, outcome is null order by i) as rank from bounded
  ), numbered as (
    select *, max(case when rank = 1 and outcome is null then coalesce((
      select change from changes x where x.conversation_id = target order by change desc limit 1), 0) end)
      over (partition by target, outcome is null) as last
    from ranked
  )
  -- (3)
  select array_agg(outcome order by i), array_agg(case when outcome is null then rank + last end order by i)
  into outcomes, numbers from numbered;
  if array_position(outcomes, null) is null then
    return;
  end if;

  -- (4)
  insert into changes (conversation_id, change, seq, at)
  select target, number, place, stamp from unnest(targets, places, numbers) o(target, place, number) where number is not null;
  if 'react' = any (kinds) then
    insert into reactions (conversation_id, seq, emoji, user_id, at)
    select target, place, emoji, actor, stamp
    from unnest(targets, places, actors, kinds, emojis, numbers) o(target, place, actor, kind, emoji, number)
    where kind = 'react' and number is not null;
  end if;
  if 'unreact' = any (kinds) then
    delete from reactions r using unnest(targets, places, actors, kinds, emojis, numbers) o(target, place, actor, kind, emoji, number)
    where o.kind = 'unreact' and o.number is not null
      and r.conversation_id = o.target and r.seq = o.place and r.emoji = o.emoji and r.user_id = o.actor;
  end if;
  if 'pin' = any (kinds) then
    insert into pins (conversation_id, seq, user_id, at)
    select target, place, actor, stamp from unnest(targets, places, actors, kinds, numbers) o(target, place, actor, kind, number)
    where kind = 'pin' and number is not null;
  end if;
  if 'unpin' = any (kinds) then
    delete from pins p using unnest(targets, places, kinds, numbers) o(target, place, kind, number)
    where o.kind = 'unpin' and o.number is not null and p.conversation_id = o.target and p.seq = o.place;
  end if;
  if 'delete' = any (kinds) then
    perform forget_message_1(target, place) from unnest(targets, places, kinds, numbers) o(target, place, kind, number)
    where kind = 'delete' and number is not null;
  end if;
  if 'edit' = any (kinds) then
    perform mention_1(target, place, extra::jsonb)
    from unnest(targets, places, kinds, extras, numbers) o(target, place, kind, extra, number)
    where kind = 'edit' and number is not null;
    update messages m set content = o.content, extra = o.extra::jsonb, edited = o.number
    from unnest(targets, places, kinds, contents, extras, numbers) o(target, place, kind, content, extra, number)
    where o.kind = 'edit' and o.number is not null and m.conversation_id = o.target and m.seq = o.place;
  end if;
  update messages m set change = o.number
  from (
    select target, place, max(number) as number from unnest(targets, places, numbers) o(target, place, number) group by 1, 2
  ) o
  where o.number is not null and m.conversation_id = o.target and m.seq = o.place;

  -- (5)
  insert into batches (conversations, ends, changes)
  select array_agg(target), array_agg((
      select seq from messages x where x.conversation_id = target order by seq desc limit 1)), array_agg(number)
  from (select target, max(number) as number from unnest(targets, numbers) o(target, number) group by 1) o where number is not null;
end $$;
