-- What the version before cursors stored a batch by: migrating.test.ts sends by it while its tables are converted.
-- Of each pair its users and how many messages it gets; of each message its pair, its place in it, sender, receiver, id and text;
-- of each debt to delete its user and `msg_id`.
with pairs as materialized (
  select p.i, p.a, p.b, p.n, c.conversation_id as old, coalesce(c.conversation_id,
    case when (select true from users where user_id = p.a) and (select true from users where user_id = p.b)
      then nextval('conversations_conversation_id_seq') end) as id
  from unnest($1::bigint[], $2::bigint[],
    $3::int[]) with ordinality p(a, b, n, i)
  left join lateral (select conversation_id from conversations x where x.user_a = p.a and x.user_b = p.b limit 1) c
    on true
), made as (
  insert into conversations (conversation_id, user_a, user_b, last_seq) overriding system value
  select id, a, b, n from pairs where old is null and id is not null
  returning 1
), there as materialized (
  select array_agg(id order by id) as ids, array_agg(n order by id) as counts
  from pairs where old is not null
), locked as materialized (
  select conversation_id from conversations
  where conversation_id = any ((select ids from there)::bigint[]) and (select count(*) from made) >= 0
  order by conversation_id for no key update
), bumped as (
  update conversations
  set last_seq = last_seq + (select counts from there)[width_bucket(conversation_id, (select ids from there))],
    last_at = now() -- for instances of a version before, which read it
  where conversation_id = any ((select ids from there)::bigint[])
    and (select count(*) from locked) = (select cardinality(ids) from there)
  returning conversation_id as id,
    last_seq - (select counts from there)[width_bucket(conversation_id, (select ids from there))] as base
), bases as materialized (
  select array_agg(base order by id) as bases from bumped
), placed as materialized (
  select array_agg(id order by i) as ids,
    array_agg(case when place is null then 0 else (select bases from bases)[place] end order by i) as bases
  from (select i, id, case when old is not null then width_bucket(old, (select ids from there)) end as place from pairs) each
), numbered as materialized (
  select nextval('message_ids') as msg_id, (select ids from placed)[m.place] as conversation_id,
    (select bases from placed)[m.place] + m.rank as seq, m.sender, m.receiver, m.client_id, m.content
  from unnest($4::int[], $5::int[],
    $6::bigint[],
    $7::bigint[],
    $8::text[],
    $9::text[])
    m(place, rank, sender, receiver, client_id, content)
  where (select ids from placed)[m.place] is not null
), stored as (
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
  select conversation_id, seq, msg_id, sender, now(), client_id, content from numbered
), owed as (
  insert into offline_messages (to_user_id, msg_id, conversation_id, seq)
  select receiver, msg_id, conversation_id, seq from numbered
), rung as (
  insert into batches (conversations, ends)
  select array_agg(id), array_agg(base + n)
  from (select (select ids from placed)[i] as id, (select bases from placed)[i] as base, n from pairs) each
  where id is not null having count(*) > 0
), settled as (
  delete from offline_messages where ctid = any (array(
    select (select o.ctid from offline_messages o where o.to_user_id = d.user_id and o.msg_id = d.msg_id)
    from unnest($10::bigint[],
      $11::bigint[]) d(user_id, msg_id)))
)
select ids::text, bases::text, (select array_agg(msg_id) from numbered)::text as msg_ids, now() as at
from placed
