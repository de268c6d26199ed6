-- The epoch: it names this installation, whatever its database is moved to. Null until a server starts that stores it: what
-- the versions before made anew at each start, so that no client takes the update for another installation (sql/epoch.ts).
alter table installation add column name text;
