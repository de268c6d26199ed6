import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];
/** Parameters that managed services put into their addresses, and that mean nothing here. */
const IGNORED = ['channel_binding', 'gssencmode', 'connect_timeout', 'application_name'];
const KNOWN = ['sslmode', 'sslrootcert', 'target_session_attrs', 'search_path', ...IGNORED];
/** Of several servers only the one that takes writes is of use, whatever is asked for. */
const SESSIONS = ['any', 'read-write', 'primary'];

export interface Host {
  host: string;
  port: number;
}

/** `DB_URL`, taken apart. Several hosts are no URL to the standard. */
export interface DbUrl {
  hosts: Host[];
  user: string;
  password: string;
  database: string;
  parameters: URLSearchParams;
}

/** The parts of a database's address; undefined where it is none. */
export function parseDbUrl(text: string): DbUrl | undefined {
  const match = /^postgres(?:ql)?:\/\/([^/?#]*@)?([^/?#@]+)(.*)$/s.exec(text);
  const [, credentials = '', hosts = '', rest = ''] = match ?? [];
  try {
    const urls = hosts.split(',').map((host) => new URL(`postgres://${credentials}${host}${rest}`));
    const [url] = urls;
    if (url === undefined || urls.some(({ hostname }) => hostname === '')) return undefined;
    // No address has one: it is the rest of a password.
    if (url.hash !== '') return undefined;
    return {
      hosts: urls.map(({ hostname, port }) => ({
        host: hostname.replace(/^\[(.*)\]$/, '$1'),
        port: Number(port || 5432),
      })),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
      parameters: url.searchParams,
    };
  } catch {
    return undefined;
  }
}

/** What can't be used in `DB_URL`: a sentence for each, without its secrets. */
export function dbUrlProblems(text: string): string[] {
  const url = parseDbUrl(text);
  if (url === undefined) {
    // Only these end a password early, and it is the part that people don't choose.
    const encode = /@.*@|[#%?]/.test(text)
      ? '; encode special characters of the password: @ is %40, # %23, / %2F, ? %3F, % %25'
      : '';
    return [`DB_URL: it should look like postgres://user:password@host:5432/database${encode}`];
  }
  const problems: string[] = [];
  if (url.database === '')
    problems.push(
      'DB_URL: it names no database; put one behind the host, as in postgres://user:password@host:5432/chat',
    );
  const mode = url.parameters.get('sslmode');
  if (mode !== null && !MODES.includes(mode))
    problems.push(`DB_URL: sslmode should be one of ${MODES.join(', ')}`);
  for (const name of url.parameters.keys())
    if (!KNOWN.includes(name))
      problems.push(`DB_URL: ${name} is not among its parameters, ${KNOWN.join(', ')}`);
  const attributes = url.parameters.get('target_session_attrs');
  if (attributes !== null && !SESSIONS.includes(attributes))
    problems.push(`DB_URL: target_session_attrs should be one of ${SESSIONS.join(', ')}`);
  return problems;
}

/** Where a database is, for people: no user, no password. */
export const whereIs = ({ hosts, database }: DbUrl) =>
  `${hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')}/${database}`;

/**
 * The driver's options for an address: only what stands there, nothing from the environment of libpq.
 * @param host one of its hosts
 * @throws Error with a sentence if `sslrootcert` can't be read
 */
export function dbOptions(url: DbUrl, { host, port }: Host) {
  const options = { database: url.database, user: url.user, password: url.password, ssl: tlsOf(url) };
  // The driver takes lists, its types don't; and a text it takes apart at each colon, which breaks `::1`.
  return Object.assign<typeof options, object>(options, { host: [host], port: [port] });
}

/** TLS as libpq's `sslmode` and `sslrootcert` say it. Without a mode it is taken where it is offered, but for this very machine. */
function tlsOf({ hosts, parameters }: DbUrl): 'prefer' | boolean | ConnectionOptions {
  const file = parameters.get('sslrootcert');
  const local = hosts.every(({ host }) => /^(localhost|127\..*|::1)$/.test(host));
  const mode =
    parameters.get('sslmode') ?? (file === 'system' ? 'verify-full' : local ? 'disable' : 'prefer');
  if (mode === 'disable') return false;
  if (mode === 'allow' || mode === 'prefer') return 'prefer';
  if (mode === 'require' && file === null) return { rejectUnauthorized: false };
  let ca: ConnectionOptions = {};
  if (file !== null && file !== 'system') {
    try {
      ca = { ca: readFileSync(file) };
    } catch (error) {
      throw new Error(
        `The certificate that sslrootcert in DB_URL names can't be read (${error instanceof Error ? error.message : error}): name a file with the authority's certificate, or sslrootcert=system.`,
      );
    }
  }
  // As libpq: only verify-full asks whether the certificate is for that host.
  return mode === 'verify-full' ? ca : { ...ca, checkServerIdentity: () => undefined };
}
