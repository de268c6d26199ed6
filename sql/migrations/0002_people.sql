-- People are found by every word of their names: a row for each beginning of a word but the first, with what follows it,
-- cut from `name_key` by the server (schemas/user.ts). `words_known` is false where the server has not done so yet: all
-- rows from before, those put there by hand, and those of an older server beside this one.
create table name_words (
  word text collate "C" not null,
  user_id bigint not null,
  primary key (word, user_id)
);
alter table users
  add column words_known boolean not null default false,
  -- Unknown of those from before.
  add column if not exists created_at timestamptz;
alter table users alter column created_at set default now();
create index users_words_missing on users (user_id) where not words_known;
