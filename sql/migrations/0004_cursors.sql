-- alone: no instance of an earlier version may run while this is applied.
-- From debts, a row for each message and its receiver, to cursors, a row for each user of a conversation. The statements of
-- earlier versions name what is gone here and fail, so that nothing is stored in the old form meanwhile.

lock table conversations, members, messages, offline_messages in access exclusive mode;

-- How far each user of a conversation is; all of it only grows. It is apart from `members`, since whoever reads a row that is
-- rewritten often walks over its dead versions while a snapshot is held open: storing never reads this table.
-- `delivered_seq`: one of the user's devices has everything up to there. `plain_seq`: what the user's plain client was pushed and
-- has confirmed, or is to ask for by `get_offline`, which `plain_gaps` says; null where the user had none when the row was made.
alter table members rename to cursors;
alter table cursors rename constraint members_pkey to cursors_pkey;
alter table cursors
  add column delivered_seq bigint not null default 0,
  add column plain_seq bigint;
alter table cursors set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Who is in a conversation, and what of it they may see. Rewritten seldom, read whenever something is stored.
create table members (
  user_id bigint not null,
  conversation_id bigint not null,
  first_seq bigint not null default 1,
  last_seq bigint, -- null: for as long as they stay
  role smallint not null default 0,
  level smallint not null default 0,
  primary key (user_id, conversation_id)
);
create index members_conversation on members (conversation_id, user_id);
insert into members (user_id, conversation_id)
  select user_a, conversation_id from conversations
  union all
  select user_b, conversation_id from conversations where user_a <> user_b;

-- Messages that wait for `get_offline`: of each range those of others.
create table plain_gaps (
  user_id bigint not null,
  conversation_id bigint not null,
  first_seq bigint not null,
  last_seq bigint not null,
  primary key (user_id, conversation_id, first_seq)
);

-- Since when a user has a plain client, and the number of its newest connection, which is of the clock and no more of a sequence.
alter table users
  add column plain_at timestamptz,
  add column plain_number bigint not null default 0;
drop sequence connection_numbers;
update users set plain_at = now() where user_id in (select to_user_id from offline_messages);

insert into plain_gaps (user_id, conversation_id, first_seq, last_seq)
  select to_user_id, conversation_id, min(seq), max(seq)
  from (
    select to_user_id, conversation_id, seq,
      seq - row_number() over (partition by to_user_id, conversation_id order by seq) as island
    from offline_messages
  ) each
  group by to_user_id, conversation_id, island;

insert into cursors (user_id, conversation_id, delivered_seq, plain_seq)
  select m.user_id, m.conversation_id, coalesce(g.first_seq - 1, c.last_seq),
    case when u.plain_at is not null then c.last_seq end
  from members m join conversations c using (conversation_id)
  left join users u on u.user_id = m.user_id
  left join (select user_id, conversation_id, min(first_seq) as first_seq from plain_gaps group by 1, 2) g
    on g.user_id = m.user_id and g.conversation_id = m.conversation_id
  on conflict (user_id, conversation_id) do update
    set delivered_seq = excluded.delivered_seq, plain_seq = excluded.plain_seq;
-- Whoever is gone has no row in `users`, and may still be owed something.
update cursors c set plain_seq = g.last_seq
  from (select user_id, conversation_id, max(last_seq) as last_seq from plain_gaps group by 1, 2) g
  where c.plain_seq is null and g.user_id = c.user_id and g.conversation_id = c.conversation_id;

drop table offline_messages;

-- The end of a conversation is the end of its messages' key. `first_seq`: what is still there begins with it. `version`: of its
-- members and their rights. A conversation of two names them, one of more names nobody.
alter table conversations
  drop column last_seq,
  drop column last_at,
  add column first_seq bigint not null default 1,
  add column version bigint not null default 0,
  alter column user_a drop not null,
  alter column user_b drop not null,
  add constraint conversations_direct check ((user_a is null) = (user_b is null));
-- Whose conversation it is, the members say.
drop index conversations_user_b;
alter table conversations set (fillfactor = 100);
alter table conversations reset (autovacuum_vacuum_scale_factor);

-- `kind` and `extra`: what it is where it is no text; `reply_to`: the `seq` that it answers.
alter table messages
  add column kind text collate "C",
  add column extra jsonb,
  add column reply_to bigint;
