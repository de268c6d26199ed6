-- What a user's device makes codes of, in Base32 (RFC 6238), and the time step of the last code that was taken: each is good once.
alter table users
  add column factor_secret text,
  add column factor_step bigint,
  add constraint users_factor check ((factor_secret is null) = (factor_step is null));

-- For who has lost that device: the SHA-256 of each, good once.
create table recovery_codes (
  user_id bigint not null,
  code bytea not null,
  primary key (user_id, code)
);
