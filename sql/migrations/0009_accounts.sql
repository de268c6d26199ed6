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
-- `notice`: a line that the operator has on every page.
alter table installation add column founded boolean not null default false, add column notice text;
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
