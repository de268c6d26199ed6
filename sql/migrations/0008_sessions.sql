-- Each sign-in is a row, which its tokens name. A token without one, as the reference and versions before made, is valid unless
-- it is of an earlier time than `tokens_from`. Who is suspended has no valid token at all.
alter table users
  add column is_admin boolean not null default false,
  add column suspended_at timestamptz,
  add column tokens_from timestamptz;

-- `secret`: the SHA-256 of what the device shows for a new token; null where it was given none. `secret_before` is what it was
-- until `changed_at`; it is taken until a minute after the new one was first shown (`known_at`), since an answer may be lost and
-- several tabs may ask at once.
create table sessions (
  sid text collate "C" primary key,
  user_id bigint not null,
  device text not null,
  address text not null,
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  ends_at timestamptz not null,
  stays boolean not null, -- false: the device isn't the user's own
  secret bytea,
  secret_before bytea,
  changed_at timestamptz,
  known_at timestamptz
);
create index sessions_user on sessions (user_id, seen_at);
create index sessions_ends on sessions (ends_at);

-- Rings for whatever replicas keep in memory of a user: sessions, suspension, rights. Read as `batches` are: what a look before
-- could not see. Rows are pruned after ten minutes, and `rings_pruned` is the highest number that was taken.
create table rings (
  xid xid8 not null default pg_current_xact_id(),
  user_id bigint not null,
  at timestamptz not null default now()
);
create index rings_xid on rings (xid);
create index rings_at on rings (at);
alter table installation
  add column rings_pruned xid8 not null default '0',
  -- Of the secret that signs tokens: so that replicas with different ones notice.
  add column secret_print text;
