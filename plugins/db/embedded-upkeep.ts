/** Transactions after which a table is frozen that nothing else has had vacuumed: a fortieth of the engine's limit. */
const FREEZE_AGE = 50_000_000;
/** Transactions after which something keeps upkeep from its work: a quarter of the limit. */
export const WARN_AGE = 500_000_000;

/**
 * What a server's background processes would do, of which there are none here: without it the write-ahead log and the dead
 * rows grow for ever, and the transaction numbers run out. The next statement to run, if any; one at a time, as all queries
 * wait for it. The thresholds are autovacuum's. The counts that they look at begin at 0 with every start, so each table
 * with rows has its turn once after a start. All freeze: rows of the log never change, so their pages are written once more
 * and then never read again for it.
 */
const NEXT = `
  select 'checkpoint' from pg_control_checkpoint(), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn) as wal
   where wal > 64 * 1024 * 1024 or wal > 1024 * 1024 and checkpoint_time < now() - interval '5 minutes'
  union all
  (select format('vacuum (freeze, analyze, truncate false) %I.%I', s.schemaname, s.relname)
     from pg_stat_user_tables s join pg_class c on c.oid = s.relid
    where n_dead_tup > 50 + 0.2 * greatest(reltuples, 0)
       or n_ins_since_vacuum > 1000 + 0.2 * greatest(reltuples, 0)
       or n_mod_since_analyze > 50 + 0.1 * greatest(reltuples, 0)
    order by n_dead_tup desc)
  union all
  (select format('vacuum (freeze, truncate false) %I.%I', s.schemaname, s.relname)
     from pg_stat_all_tables s join pg_class c on c.oid = s.relid left join pg_class t on t.oid = c.reltoastrelid
    where s.schemaname <> 'pg_toast'
      and (greatest(age(c.relfrozenxid), age(t.relfrozenxid), mxid_age(c.relminmxid), mxid_age(t.relminmxid)) > ${FREEZE_AGE}
        or s.last_vacuum is null and s.schemaname not in ('pg_catalog', 'information_schema') and pg_relation_size(c.oid) > 0)
    order by age(c.relfrozenxid) desc)
  limit 1`;

/** Databases made by earlier versions have the templates, which nobody can reach to freeze them (embedded-new.ts). */
const TEMPLATES = `select datname from pg_database where datname in ('template0', 'template1')`;

/** Transactions since the oldest that a table still has by its number. */
const AGE = 'select greatest(max(age(datfrozenxid)), max(mxid_age(datminmxid)))::text from pg_database';

/**
 * Does the next piece of upkeep.
 * @param ask runs a statement and gives the rows of its one column
 * @returns the age of the oldest transaction number
 */
export function upkeep(ask: (sql: string) => string[]): number {
  const [template] = ask(TEMPLATES);
  const [next] = template === undefined ? ask(NEXT) : [];
  if (template !== undefined) {
    ask(`update pg_database set datistemplate = false where datname = '${template}'`);
    ask(`drop database ${template}`);
  } else if (next !== undefined) ask(next);
  return Number(ask(AGE)[0]);
}
