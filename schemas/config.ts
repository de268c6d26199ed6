import { type Static, Type } from '@sinclair/typebox';
import { RATES } from './limits.js';

const count = (description: string, value: number, minimum: number, maximum: number) =>
  Type.Integer({ description, default: value, minimum, maximum });
const text = (description: string, value: string, maxLength = 4096) =>
  Type.String({ description, default: value, maxLength });
/** The first of the values is the default. */
const oneOf = (description: string, values: string[]) =>
  Type.String({ description, default: values[0], enum: values, maxLength: 40 });

/** Every setting: its environment variable, its default, its bounds and what it is for. README's table comes from here. */
export const Config = Type.Object({
  PORT: count('TCP port to listen on; 0 picks a free one', 8080, 0, 65_535),
  HOST: text('Address to listen on; `0.0.0.0` for every interface', 'localhost'),
  DB_URL: text(
    "PostgreSQL 15 or newer, `postgres://user:password@host:port/database`, with libpq's `sslmode` and `sslrootcert` behind a `?`; empty: the embedded database",
    '',
  ),
  REDIS_ADDR: text(
    'Redis 7 or newer: `host:port`, a `redis://` or `rediss://` URL, several separated by commas for a cluster, or `memory` for a lone instance; `localhost:6379` where `DB_URL` is set',
    '',
  ),
  INSTANCE_ID: text('Name of this instance for people and logs', 'server-1', 200),
  JWT_SECRET: text(
    'Secret that signs tokens, the same on every instance; empty: made and kept under `DATA_DIR` (embedded), a development default (elsewhere), refused (production)',
    '',
  ),
  JWT_SECRET_BEFORE: text(
    'Secrets, one a line, whose tokens are still taken: put the old one here when `JWT_SECRET` changes, until its tokens have ended',
    '',
  ),
  SESSION_DAYS: count(
    'Days after which somebody who is signed in and not seen has to sign in again',
    30,
    1,
    3650,
  ),
  SECOND_FACTOR: oneOf('`required`: who signs in with a password has to set up a second factor first', [
    'optional',
    'required',
  ]),
  DATA_DIR: text('Folder of the embedded database', './data'),
  ALLOWED_ORIGINS: text(
    'Further web origins that may open a WebSocket, separated by commas; the own origin always may',
    '',
  ),
  TRUSTED_PROXIES: text(
    'Addresses or networks, separated by commas, whose `X-Forwarded-*` headers are believed',
    '',
  ),
  AUTH_HEADER: text(
    'Header in which such a proxy says who has signed in there, and sets in each request; accounts are made at first sight. Takes `REGISTRATION=closed`',
    '',
    100,
  ),
  DIRECTORY: oneOf(
    '`contacts`: people find, and can begin to write to, their contacts alone, and ask whose whole name they know; `everyone`: all of them',
    ['everyone', 'contacts'],
  ),
  LOG_LEVEL: oneOf('Least severe level that is logged', [
    'info',
    'fatal',
    'error',
    'warn',
    'debug',
    'trace',
    'silent',
  ]),
  NODE_ENV: oneOf('`production` refuses weak defaults', ['development', 'production', 'test']),
  REGISTRATION: oneOf(
    'Who may register: `open` everybody, `invite` who has an invite, `closed` nobody, so that admins make accounts',
    ['open', 'invite', 'closed'],
  ),
  PASSWORD_MIN: count('Characters of a new password at least', 6, 1, 64),
  TOKEN_HOURS: count('Hours that a token is valid', 24, 1, 8760),
  MAX_FRAME_BYTES: count('Largest frame of the plain protocol, in bytes', 4096, 256, 65_536),
  SINGLE_SESSION: oneOf('`1`: a user has one connection, and a newer one replaces it', ['0', '1']),
  HEARTBEAT_SECONDS: count('Seconds between pings to a client', 25, 1, 3600),
  HEARTBEAT_TIMEOUT_SECONDS: count(
    'Seconds without a sign of life after which a connection is closed',
    60,
    2,
    7200,
  ),
  SLOW_SECONDS: count(
    'Seconds that a client may leave what it is owed unread or unconfirmed before its connection is closed',
    30,
    1,
    3600,
  ),
  LEASE_SECONDS: count("Seconds that a dead instance's users still count as online", 60, 2, 3600),
  REPAIR_SECONDS: count('Seconds between two looks for messages that a lost publish left behind', 2, 1, 60),
  MEMORY_BUDGET: count(
    'MiB that all that waits for clients may take together; past it the slowest connection is closed, then the next',
    128,
    16,
    65_536,
  ),
  LIMITS: oneOf(
    '`off`: nobody is told to wait for having tried, sent or asked too much; for closed networks and measurements',
    ['on', 'off'],
  ),
  ACCOUNT_FAILURES: count(
    'Failed sign-ins to an account in ten minutes, after which each further try has to wait',
    RATES.accountFailures,
    1,
    10_000,
  ),
  ADDRESS_FAILURES: count(
    'The same from an address, and registrations from it',
    RATES.addressFailures,
    1,
    10_000,
  ),
  SENDS_PER_SECOND: count(
    'Messages a second that a user may send, ten times as many at once',
    RATES.sends,
    1,
    10_000,
  ),
  EDIT_MINUTES: count('Minutes for which one may edit what one wrote; 0: at any time', 0, 0, 525_600),
  DB_POOL: count('Connections to PostgreSQL', 10, 2, 200),
  STARTUP_WAIT_SECONDS: count('Seconds to wait at start for PostgreSQL and Redis', 60, 0, 3600),
  DRAIN_PAUSE_SECONDS: count(
    'Seconds between turning not ready and closing, for a balancer to notice',
    0,
    0,
    300,
  ),
  DRAIN_SECONDS: count('Seconds over which sockets are closed at shutdown', 1, 0, 300),
  SHUTDOWN_SECONDS: count('Seconds after which a shutdown that hangs is cut short', 15, 1, 600),
});

export type Config = Static<typeof Config>;
