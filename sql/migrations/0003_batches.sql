-- One row for each batch that was appended: how far it took each of its conversations. Whoever followed by other means what
-- was stored, and may have lost some of it, learns here that there is more (sql/batches.ts). Rows are kept for some minutes.
create table batches (
  xid xid8 not null default pg_current_xact_id(),
  at timestamptz not null default now(),
  conversations bigint[] not null,
  ends bigint[] not null
);
create index batches_xid on batches (xid);

-- The highest `xid` whose row is gone again.
alter table installation add column pruned xid8 not null default '0';
