-- The tables of the reference, made where they are missing and taken over where they are there, and the message log.
-- Locks, counters and debts: see plugins/README.md.

create table if not exists users (
  user_id bigserial primary key,
  username varchar(64) not null unique,
  password text not null
);

-- `name_key` is the name without case and Unicode form, folded by the server (schemas/user.ts). `legacy` marks rows
-- of the reference whose key another row already has: they keep working, nobody can register such a name any more.
alter table users
  add column name_key text collate "C",
  add column legacy boolean not null default false;
create unique index users_name_key on users (name_key) where not legacy;
create index users_name_search on users (name_key, user_id);
create index users_name_missing on users (user_id) where name_key is null;

create table if not exists friends (
  user_id bigint,
  friend_id bigint,
  unique (user_id, friend_id)
);

-- One row for each pair of users, the lower id first. `last_seq` is the counter that numbers the messages: no index
-- may name it, so that its update stays within the page.
create table conversations (
  conversation_id bigint generated always as identity primary key,
  user_a bigint not null,
  user_b bigint not null,
  last_seq bigint not null default 0,
  last_at timestamptz not null default now(),
  unique (user_a, user_b),
  check (user_a <= user_b)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Partial, so that a pair is never looked up by it: on tables that were empty when a plan was made it looks as good as
-- the unique one.
create index conversations_user_b on conversations (user_b) where user_a <> user_b;

-- How far each member has read; only grows. A row comes with the first `read`: most conversations are opened far more
-- cheaply than they are read.
create table members (
  user_id bigint not null,
  conversation_id bigint not null,
  read_seq bigint not null default 0,
  primary key (user_id, conversation_id)
) with (fillfactor = 80);

create sequence message_ids;

create table messages (
  conversation_id bigint not null,
  seq bigint not null,
  msg_id bigint not null,
  from_user_id bigint not null,
  created_at timestamptz not null,
  client_id text collate "C" not null,
  content text not null,
  primary key (conversation_id, seq),
  constraint messages_client_id unique (conversation_id, from_user_id, client_id)
) with (autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1);

do $$
begin
  if to_regclass('offline_messages') is not null then
    alter table offline_messages rename to reference_offline_messages;
  end if;
end $$;

-- What is owed: one row for each message that its receiver isn't known to have. Rows live for moments, so dead ones
-- are many: they are cleared early.
create table offline_messages (
  to_user_id bigint not null,
  msg_id bigint not null,
  conversation_id bigint not null,
  seq bigint not null,
  constraint debts_pkey primary key (to_user_id, msg_id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000);

do $$
begin
  if to_regclass('reference_offline_messages') is null then
    return;
  end if;
  insert into conversations (user_a, user_b)
    select distinct least(to_user_id, from_user_id), greatest(to_user_id, from_user_id)
    from reference_offline_messages where to_user_id is not null and from_user_id is not null;
  -- The reference reads a timestamp without a zone as UTC.
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select c.conversation_id, row_number() over (partition by c.conversation_id order by o.msg_id), o.msg_id,
      o.from_user_id,
      coalesce((o.created_at::text ||
        case when pg_typeof(o.created_at) = 'timestamp'::regtype then '+00' else '' end)::timestamptz, now()),
      '~reference.' || o.msg_id, coalesce(o.content, '')
    from reference_offline_messages o
    join conversations c on c.user_a = least(o.to_user_id, o.from_user_id)
      and c.user_b = greatest(o.to_user_id, o.from_user_id);
  insert into offline_messages (to_user_id, msg_id, conversation_id, seq)
    select o.to_user_id, o.msg_id, m.conversation_id, m.seq
    from reference_offline_messages o
    join conversations c on c.user_a = least(o.to_user_id, o.from_user_id)
      and c.user_b = greatest(o.to_user_id, o.from_user_id)
    join messages m on m.conversation_id = c.conversation_id and m.from_user_id = o.from_user_id
      and m.client_id = '~reference.' || o.msg_id;
  update conversations c set last_seq = m.seq, last_at = m.at
    from (select conversation_id, max(seq) as seq, max(created_at) as at from messages group by 1) m
    where m.conversation_id = c.conversation_id;
  perform setval('message_ids', greatest(
    coalesce((select max(msg_id) from reference_offline_messages), 1),
    coalesce((select last_value from pg_sequences
      where schemaname = current_schema() and sequencename = 'offline_messages_msg_id_seq'), 1)));
  drop table reference_offline_messages;
end $$;

-- Fencing numbers: the connection with the higher number is the newer one.
create sequence connection_numbers;

-- Last seen: a replica beats for all of its users at once, so a dead one's users were last seen at its last beat.
create table replicas (
  replica_id text primary key,
  seen_at timestamptz not null default now()
) with (fillfactor = 50);
create table presence (
  user_id bigint primary key,
  replica_id text,
  seen_at timestamptz not null default now()
) with (fillfactor = 50);

-- Part of the epoch: positions that a client holds mean something in this database only.
-- `place` tells an embedded database that was put back from a copy: it goes on from an earlier moment.
create table installation (id uuid not null default gen_random_uuid(), place text);
insert into installation default values;
