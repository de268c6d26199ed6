-- Search: for each 16 messages of a conversation a block that says which groups of characters occur in them, as bits (plugins/search/signs.ts).
-- A block only rules out: what it doesn't is read, and looked at as text. Who searches reads the blocks of their own conversations and no
-- others, so that what others have makes no difference, not even in time.

create table search_blocks (
  conversation_id bigint not null,
  block int not null, -- of the messages from 16 * block + 1 to 16 * block + 16
  indexed smallint not null, -- how many of these places are in it: blocks are made in order, only the last one isn't full
  size smallint not null, -- the logarithm of the number of bits
  first_id bigint not null, -- `msg_id` of the first that is there, and of the last
  last_id bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  signs varbit not null,
  primary key (conversation_id, block)
);
-- They don't get smaller by being compressed.
alter table search_blocks alter column signs set storage external;
create unique index search_blocks_ids on search_blocks (conversation_id, first_id);

-- Blocks some of whose messages were changed after they were stored.
create table search_marks (
  mark bigint generated always as identity primary key,
  conversation_id bigint not null,
  block int not null
);
create function search_mark_1() returns trigger language plpgsql as $$
begin
  insert into search_marks (conversation_id, block) values (new.conversation_id, ((new.seq - 1) / 16)::int);
  return null;
end $$;
-- A reaction, which leaves the text as it is, costs nothing here.
create trigger messages_changed_text after update of content on messages
  for each row when (old.content is distinct from new.content) execute function search_mark_1();

-- Who makes blocks, and how far that is.
create table search_state (
  holder text, -- the replica that does, until
  held_until timestamptz not null default now(),
  turn bigint not null default 0, -- one more with each that takes it up: only what is written in the last turn counts
  snapshot pg_snapshot, -- the batches that it saw are in the blocks
  swept bigint default 0 -- all conversations are gone through, and this was the last one; null: nothing is left to
) with (fillfactor = 50);
insert into search_state default values;
