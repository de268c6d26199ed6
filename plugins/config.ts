import { isIP } from 'node:net';
import { Value } from '@sinclair/typebox/value';
import fp from 'fastify-plugin';
import { Config } from '../schemas/config.js';
import { dbUrlProblems } from './db/url.js';

declare module 'fastify' {
  interface FastifyInstance {
    config: Settings;
  }
}

/** The reference's public default: nobody who reads its README must be able to sign tokens for a server in use. */
export const PUBLIC_SECRET = 'dev-secret-change-me';

/** Bytes that a secret should have at least: as many as the signature's hash (RFC 7518, 3.2). */
export const SECRET_BYTES = 32;

const ARGUMENTS = {
  '--new': 'begins an embedded database anew where it is missing',
  '--pending':
    'says which migrations a start would apply, and `alone` behind those that no server of an earlier version may run beside',
  '--migrate': 'applies the migrations, and ends',
};

/** What is done in place of a start. */
export type Task = 'pending' | 'migrate';

/** The configuration as the program uses it: the environment's values, checked, with the lists taken apart. */
export type Settings = Readonly<
  Config & {
    embedded: boolean;
    /** Whether a database that is missing may be begun anew (`--new`). */
    anew: boolean;
    task: Task | undefined;
    production: boolean;
    allowedOrigins: string[];
    trustedProxies: string[];
    redisNodes: string[];
    /** Secrets that still verify tokens and sign none. */
    secretsBefore: string[];
  }
>;

/** Settings that can't be used: one sentence for each. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  constructor(readonly problems: string[]) {
    super(`The configuration can't be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

const list = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const lines = (text: string) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

function isRedis(text: string): boolean {
  if (/^rediss?:\/\//.test(text)) return isReadable(text) && /^\/?\d*$/.test(new URL(text).pathname);
  return /^([^\s:/?#@]+|\[[0-9a-f:]+\]):\d+$/i.test(text) && isReadable(`redis://${text}`);
}

function isReadable(text: string): boolean {
  try {
    const { hostname, username, password } = new URL(text);
    decodeURIComponent(username + password);
    return hostname !== '';
  } catch {
    return false;
  }
}

/** Whether Fastify knows this as somebody to trust. */
function isNetwork(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits = '1', ...rest] = text.split('/');
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return rest.length === 0 && /^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most;
}

/**
 * Reads the settings from an environment.
 * @param env names and values as in `process.env`; unknown names are ignored, an empty value is the default
 * @param args what stands behind the program on the command line
 * @throws ConfigError naming every bad value at once
 */
export function loadConfig(env: Record<string, string | undefined>, args: string[] = []): Settings {
  const known = Object.entries(ARGUMENTS).map(([name, does]) => `${name} ${does}`);
  const problems = args
    .filter((arg) => !Object.hasOwn(ARGUMENTS, arg))
    .map((arg) => `${arg}: there is no such argument; ${known.join('; ')}`);
  const raw: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(Config.properties)) {
    const text = env[name]?.trim();
    if (text === undefined || text === '') raw[name] = schema.default;
    else if (schema.type === 'integer') {
      const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
      raw[name] = value;
      const { minimum = 0, maximum = 0 } = schema;
      if (!(value >= minimum && value <= maximum))
        problems.push(`${name}=${text}: it should be a whole number from ${minimum} to ${maximum}`);
    } else {
      raw[name] = text;
      const { maxLength = 0 } = schema;
      if (text.length > maxLength) problems.push(`${name}: it should be at most ${maxLength} characters`);
      if (Array.isArray(schema.enum) && !schema.enum.includes(text))
        problems.push(`${name}=${text}: it should be one of ${schema.enum.join(', ')}`);
    }
  }
  const text = (name: keyof Config) => String(raw[name]);
  if (text('DB_URL') !== '') problems.push(...dbUrlProblems(text('DB_URL')));
  const redis = text('REDIS_ADDR');
  if (text('DB_URL') === '' && redis !== '' && redis !== 'memory')
    problems.push(
      'REDIS_ADDR without DB_URL: instances that share a Redis must share a PostgreSQL too; set DB_URL, or leave REDIS_ADDR out',
    );
  for (const node of redis === 'memory' ? [] : list(redis))
    if (!isRedis(node))
      problems.push(
        'REDIS_ADDR: it should be host:port or a redis:// or rediss:// URL, several separated by commas, or memory',
      );
  for (const origin of list(text('ALLOWED_ORIGINS')))
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      problems.push(`ALLOWED_ORIGINS: ${origin} should be an origin such as https://chat.example.org`);
  for (const proxy of list(text('TRUSTED_PROXIES')))
    if (!isNetwork(proxy))
      problems.push(`TRUSTED_PROXIES: ${proxy} should be an address, or a network such as 10.0.0.0/8`);
  if (Number(raw.HEARTBEAT_TIMEOUT_SECONDS) <= Number(raw.HEARTBEAT_SECONDS))
    problems.push('HEARTBEAT_TIMEOUT_SECONDS should be more than HEARTBEAT_SECONDS');
  if (Number(raw.DRAIN_PAUSE_SECONDS) + Number(raw.DRAIN_SECONDS) > Number(raw.SHUTDOWN_SECONDS))
    problems.push('SHUTDOWN_SECONDS should be at least DRAIN_PAUSE_SECONDS and DRAIN_SECONDS together');
  const production = text('NODE_ENV') === 'production';
  const secret = text('JWT_SECRET');
  if (production && (secret === PUBLIC_SECRET || (secret === '' && text('DB_URL') !== '')))
    problems.push(
      'JWT_SECRET: in production it should be set to a secret of your own, the same on every instance (for example: openssl rand -base64 48)',
    );
  for (const one of [secret, ...lines(text('JWT_SECRET_BEFORE'))])
    if (production && one !== '' && one !== PUBLIC_SECRET && Buffer.byteLength(one) < SECRET_BYTES)
      problems.push(
        `${one === secret ? 'JWT_SECRET' : 'JWT_SECRET_BEFORE'}: in production a secret should have at least ${SECRET_BYTES} bytes, or it can be guessed (for example: openssl rand -base64 48)`,
      );
  if (problems.length > 0) throw new ConfigError(problems);
  const config = Value.Decode(Config, raw);
  return Object.freeze({
    ...config,
    embedded: config.DB_URL === '',
    anew: args.includes('--new'),
    task: (['pending', 'migrate'] as const).find((task) => args.includes(`--${task}`)),
    production,
    secretsBefore: lines(config.JWT_SECRET_BEFORE),
    allowedOrigins: list(config.ALLOWED_ORIGINS),
    trustedProxies: list(config.TRUSTED_PROXIES),
    redisNodes:
      config.DB_URL === '' || redis === 'memory' ? [] : list(redis === '' ? 'localhost:6379' : redis),
  });
}

/** What other programs call it, and people try. */
const ALIASES: Record<string, string> = {
  DATABASE_URL: 'DB_URL',
  POSTGRES_URL: 'DB_URL',
  REDIS_URL: 'REDIS_ADDR',
  REDIS_HOST: 'REDIS_ADDR',
  SECRET: 'JWT_SECRET',
};

/** How many letters are wrong, missing, too many or in each other's place. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + Number(!same));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (before[j - 2] ?? i) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Names in an environment that look like a setting and are none: a sentence for each that changes nothing. */
export function misspelled(env: Record<string, string | undefined>): string[] {
  const settings = Object.keys(Config.properties);
  return Object.keys(env).flatMap((name) => {
    if (settings.includes(name) || env[name] === '') return [];
    // Short names are near to everything.
    const near = settings.find(
      (setting) => setting.length > 5 && distance(name, setting) <= (setting.length > 8 ? 2 : 1),
    );
    const meant = near ?? ALIASES[name];
    return meant === undefined || env[meant]
      ? []
      : [`${name} is no setting of chat-server; ${meant} is, and is not set.`];
  });
}

/** Decorates the instance with its settings. */
export default fp<{ config: Settings }>(
  async (app, { config }) => {
    app.decorate('config', config);
  },
  { name: 'config' },
);
