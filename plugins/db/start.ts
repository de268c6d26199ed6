import type postgres from 'postgres';
import { type DbUrl, whereIs } from './url.js';

/** Settings of a connection that change what a statement means: never taken from the role or the database. */
export const OURS = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  search_path: 'public',
  default_transaction_isolation: 'read committed' as const,
};

/** Connections beside the pool: for the log, for what waits for locks, for the start, and one for an operator who looks what is wrong. */
const BESIDE = 5;

/** What starting again can't make right. */
export class UnusableError extends Error {
  override name = 'UnusableError';
}

type State = {
  version: number;
  encoding: string;
  standby: boolean;
  read_only: boolean;
  planning: string;
  date_style: string;
  schema: string | null;
  creates: boolean;
  tables: string | null;
  elsewhere: string | null;
  server_limit: number;
  role_limit: number;
  database_limit: number;
  role: string;
};

/**
 * Asks the server whether it can be worked with.
 * @param pool connections that each instance will want at once
 * @throws UnusableError with a sentence that says what is wrong and what to do
 */
export async function examine(
  sql: postgres.Sql<{ bigint: number }>,
  url: DbUrl,
  pool: number,
): Promise<void> {
  const [state] = await sql<[State]>`
    select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding,
      pg_is_in_recovery() as standby, current_setting('default_transaction_read_only')::boolean as read_only, current_setting('plan_cache_mode') as planning,
      current_setting('DateStyle') as date_style, current_schema()::text as schema, current_user::text as role,
      coalesce(has_schema_privilege(current_schema()::text, 'create'), false) as creates,
      (select string_agg(c.relname::text, ', ') from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = current_schema() and c.relname = 'users' and c.relkind = 'r'
          and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'user_id')) as tables,
      (select n.nspname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relname = 'installation' and n.nspname not in (current_schema(), 'pg_catalog')
          and exists (select from pg_class s where s.relnamespace = n.oid and s.relname = 'message_ids')
          and to_regclass('installation') is null limit 1) as elsewhere,
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as server_limit,
      (select rolconnlimit from pg_roles where rolname = current_user) as role_limit,
      (select datconnlimit from pg_database where datname = current_database()) as database_limit`;
  const problem = problemOf(state, url, pool);
  if (problem !== undefined) throw new UnusableError(`PostgreSQL at ${whereIs(url)} (DB_URL) ${problem}`);
}

function problemOf(state: State, url: DbUrl, pool: number): string | undefined {
  const { database } = url;
  const major = Math.floor(state.version / 10_000);
  if (major < 15) return `is version ${major}: 15 or newer is needed.`;
  if (state.planning !== 'force_generic_plan' || !state.date_style.startsWith('ISO'))
    return 'is behind a pooler that drops the settings of a connection: point DB_URL at the server itself (most often port 5432).';
  if (state.encoding !== 'UTF8')
    return `keeps its text as ${state.encoding}, which can't hold every character: make the database anew with createdb -T template0 -E UTF8 ${database}.`;
  if (state.standby)
    return 'is a standby, which takes no messages: point DB_URL at the primary, or name both with a comma between them, as in host1:5432,host2:5432.';
  if (state.read_only)
    return 'takes no writes by default (default_transaction_read_only is on, for the server, the database or the role): switch that off, or find out why it is on; some services do it when their disk is nearly full.';
  if (state.elsewhere !== null)
    return `has the tables in the schema ${state.elsewhere}: add ?search_path=${state.elsewhere} to DB_URL.`;
  if (state.schema === null)
    return `has no schema ${url.parameters.get('search_path') ?? 'public'}: make it with create schema, or name another one with ?search_path= in DB_URL.`;
  if (state.tables !== null)
    return `has a table ${state.tables} of another program: give chat-server a database of its own, with createdb.`;
  if (!state.creates)
    return `doesn't let the role ${state.role} make tables in the schema ${state.schema}: as its owner run grant create on schema ${state.schema} to "${state.role}"; or alter database "${database}" owner to "${state.role}".`;
  const limits = [
    [state.server_limit, "the server's max_connections"],
    [state.role_limit, `the connection limit of the role ${state.role}`],
    [state.database_limit, `the connection limit of the database ${database}`],
  ] as const;
  for (const [limit, what] of limits)
    if (limit >= 0 && pool + BESIDE > limit)
      return `has fewer connections than DB_POOL (${pool}) and ${BESIDE} more: ${what} leaves ${limit}. Lower DB_POOL, or raise that.`;
  return undefined;
}

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : '');

/**
 * Why a first connection failed, if starting again won't help: for people, without secrets.
 * @returns undefined where it may come right by itself
 */
export function lastingReason(error: unknown, url: DbUrl): UnusableError | undefined {
  if (error instanceof UnusableError) return error;
  if (!(error instanceof Error)) return undefined;
  const code = codeOf(error);
  const reason = reasonOf(code, error.message, url);
  return reason === undefined
    ? undefined
    : new UnusableError(`PostgreSQL at ${whereIs(url)} (DB_URL) ${reason}`, { cause: error });
}

function reasonOf(code: string, message: string, { user, database, parameters }: DbUrl): string | undefined {
  if (/unsupported startup parameter|prepared statement .* (does not|already) exist/.test(message))
    return 'is behind a pooler such as PgBouncer, which keeps no settings of a connection: point DB_URL at the server itself (most often port 5432).';
  if (code === '28P01')
    return `refuses the password of ${user}: check the one in DB_URL; special characters are written as %40 for @, %23 for #, %2F for /, %25 for %.`;
  if (code.startsWith('28'))
    return `refuses ${user} (${message}): allow the role, this address and this way to log in in pg_hba.conf, or correct DB_URL.`;
  if (code === '3D000')
    return `has no database ${database}: make it with createdb -T template0 -E UTF8 ${database}, or correct DB_URL.`;
  if (code === '42501')
    return `doesn't let the role ${user} do what it needs (${message}): make the role the database's owner with alter database "${database}" owner to "${user}".`;
  if (/^42(703|P07|P01|710|804)$/.test(code))
    return `has tables that aren't chat-server's (${message}): give it a database of its own, with createdb.`;
  if (code === '25006') return 'takes no writes: point DB_URL at the primary.';
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code)) {
    const way = /ALTNAME/.test(code)
      ? 'connect by the name that the certificate is for, or use sslmode=verify-ca'
      : "name the authority's certificate with sslrootcert=FILE in DB_URL, or encrypt without proof with sslmode=require";
    return `has a certificate that can't be trusted (${message}): ${way}.`;
  }
  // Told that there is no TLS, the driver begins it all the same.
  if (/before secure TLS connection/.test(message) || code.startsWith('ERR_SSL'))
    return `offers no TLS, which sslmode=${parameters.get('sslmode')} in DB_URL asks for: switch it on there, or use sslmode=disable.`;
  return undefined;
}
