import { Value } from '@sinclair/typebox/value';
import fp from 'fastify-plugin';
import { Config } from '../schemas/config.js';

declare module 'fastify' {
  interface FastifyInstance {
    config: Settings;
  }
}

/** The reference's public default: nobody who reads its README must be able to sign tokens for a server in use. */
export const PUBLIC_SECRET = 'dev-secret-change-me';

/** The configuration as the program uses it: the environment's values, checked, with the lists taken apart. */
export type Settings = Readonly<
  Config & {
    embedded: boolean;
    production: boolean;
    allowedOrigins: string[];
    trustedProxies: string[];
    redisNodes: string[];
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

/**
 * Reads the settings from an environment.
 * @param env names and values as in `process.env`; unknown names are ignored, an empty value is the default
 * @throws ConfigError naming every bad value at once
 */
export function loadConfig(env: Record<string, string | undefined>): Settings {
  const problems: string[] = [];
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
      if (Array.isArray(schema.enum) && !schema.enum.includes(text))
        problems.push(`${name}=${text}: it should be one of ${schema.enum.join(', ')}`);
    }
  }
  const text = (name: keyof Config) => String(raw[name]);
  if (text('DB_URL') !== '' && !/^postgres(ql)?:\/\/./.test(text('DB_URL')))
    problems.push('DB_URL: it should look like postgres://user:password@host:5432/database');
  const redis = text('REDIS_ADDR');
  if (text('DB_URL') === '' && redis !== '' && redis !== 'memory')
    problems.push(
      'REDIS_ADDR without DB_URL: instances that share a Redis must share a PostgreSQL too; set DB_URL, or leave REDIS_ADDR out',
    );
  for (const node of redis === 'memory' ? [] : list(redis))
    if (!/^(rediss?:\/\/\S+|[^\s:/]+:\d{1,5}|\[[0-9a-f:]+\]:\d{1,5})$/i.test(node))
      problems.push(`REDIS_ADDR: ${node} should be host:port or a redis:// or rediss:// URL`);
  for (const origin of list(text('ALLOWED_ORIGINS')))
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      problems.push(`ALLOWED_ORIGINS: ${origin} should be an origin such as https://chat.example.org`);
  if (Number(raw.HEARTBEAT_TIMEOUT_SECONDS) <= Number(raw.HEARTBEAT_SECONDS))
    problems.push('HEARTBEAT_TIMEOUT_SECONDS should be more than HEARTBEAT_SECONDS');
  const production = text('NODE_ENV') === 'production';
  const secret = text('JWT_SECRET');
  if (production && (secret === PUBLIC_SECRET || (secret === '' && text('DB_URL') !== '')))
    problems.push(
      'JWT_SECRET: in production it should be set to a secret of your own, the same on every instance (for example: openssl rand -base64 48)',
    );
  if (problems.length > 0) throw new ConfigError(problems);
  const config = Value.Decode(Config, raw);
  return Object.freeze({
    ...config,
    embedded: config.DB_URL === '',
    production,
    allowedOrigins: list(config.ALLOWED_ORIGINS),
    trustedProxies: list(config.TRUSTED_PROXIES),
    redisNodes:
      config.DB_URL === '' || redis === 'memory' ? [] : list(redis === '' ? 'localhost:6379' : redis),
  });
}

/** Decorates the instance with its settings. */
export default fp<{ config: Settings }>(
  async (app, { config }) => {
    app.decorate('config', config);
  },
  { name: 'config' },
);
