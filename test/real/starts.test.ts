/** Wrong starts: what the operator reads, in one sentence, before the first request; and no secret in anything that is written. */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { type Test, test } from 'tap';
import { buildApp } from '../../app.js';
import { loadConfig } from '../../plugins/config.js';
import { lockDataDir } from '../../plugins/db/data-dir.js';
import { build, connect, signUp } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';
import { ordinaryUser } from '../nodes/process.js';
import { startRedis } from '../nodes/redis.js';

type Env = Record<string, string>;
/** Stands in every address that has one: no line may repeat it. */
const SECRET = 'hunter2-of-the-operator';

/** What the second process does: this very file, which starts what it is told and tells what the server would have said. */
async function starter(): Promise<void> {
  process.on('message', async ({ env, args }: { env: Env; args: string[] }) => {
    const began = Date.now();
    let sentence = 'it started';
    try {
      const app = await buildApp(loadConfig(env, args));
      await app.ready();
    } catch (error) {
      sentence = error instanceof Error ? error.message : String(error);
    }
    console.log(sentence);
    process.send?.({ sentence, ms: Date.now() - began });
  });
  process.send?.({ sentence: '', ms: 0 });
}

async function tests(t: Test): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'chat-starts-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);

  const owner = ordinaryUser('postgres', 'nobody');
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=another.example', '-days', '2', '-nodes'];
  const x509 = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...subject];
  execFileSync('openssl', [...x509, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  await chmod(key, 0o600);
  if (owner.uid !== undefined) await chown(key, owner.uid, owner.gid ?? owner.uid);

  const plain = await startPostgres({ settings: { max_connections: '30' } });
  t.teardown(() => plain.stop());
  const tls = await startPostgres({ settings: { ssl: 'on', ssl_cert_file: cert, ssl_key_file: key } });
  t.teardown(() => tls.stop());
  const open = await startRedis();
  t.teardown(() => open.stop());
  const locked = await startRedis({ args: ['--requirepass', 'something else'] });
  t.teardown(() => locked.stop());

  const admin = postgres(plain.adminUrl(), { max: 1, onnotice: () => {} });
  t.teardown(() => admin.end());
  for (const role of ['chat', 'few', 'guest', 'german', 'frozen'])
    await admin.unsafe(`create role ${role} login password '${SECRET}'`);
  await admin.unsafe('alter role few connection limit 1');
  await admin.unsafe('alter role frozen set default_transaction_read_only = on');
  for (const [setting, value] of [
    ['DateStyle', 'German'],
    ['TimeZone', 'Asia/Tokyo'],
    ['default_transaction_isolation', 'serializable'],
    ['search_path', 'nowhere'],
  ])
    await admin.unsafe(`alter role german set ${setting} = '${value}'`);
  for (const [name, more] of [
    ['good', ''],
    ['latin', "template template0 encoding 'LATIN1' locale 'C'"],
    ['ascii', "template template0 encoding 'SQL_ASCII' locale 'C'"],
    ['narrow', 'connection limit 3'],
    ['foreign_tables', ''],
    ['elsewhere', ''],
    ['changed', ''],
    ['newer', ''],
    ['germany', ''],
  ])
    await admin.unsafe(`create database ${name} owner ${name === 'germany' ? 'german' : 'chat'} ${more}`);
  const inside = async (database: string, text: string) => {
    const sql = postgres(plain.adminUrl(database), { max: 1, onnotice: () => {} });
    await sql.unsafe(text);
    await sql.end();
  };
  await inside('good', 'grant create on schema public to few');
  await inside('foreign_tables', 'create table users (id int primary key, email text)');
  await inside(
    'elsewhere',
    'create schema chat create table installation (id uuid) create sequence message_ids',
  );
  const migrations =
    'create table migrations (name text primary key, checksum text not null, applied_at timestamptz)';
  await inside(
    'changed',
    `${migrations}; insert into migrations values ('0001_log.sql', 'x'); alter table migrations owner to chat`,
  );
  await inside(
    'newer',
    `${migrations}; insert into migrations values ('9999_next.sql', 'x'); alter table migrations owner to chat`,
  );

  const web = createServer((_request, answer) => answer.end('hello'));
  // As PgBouncer does, byte for byte.
  const pooler = createTcp((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      const fields = 'SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0';
      const head = Buffer.alloc(5);
      head.write('E');
      head.writeInt32BE(fields.length + 4, 1);
      socket.end(Buffer.concat([head, Buffer.from(fields)]));
    });
  });
  const portOf = async (server: typeof web | typeof pooler) => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const address: AddressInfo | string | null = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  const [webPort, poolerPort] = [await portOf(web), await portOf(pooler)];
  const nobody = createTcp();
  const nobodyPort = await portOf(nobody);
  nobody.close();

  const dataDir = async (name: string, files: Env = {}) => {
    const dir = join(folder, name);
    await mkdir(join(dir, 'db'), { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
    return dir;
  };
  const foreign = await dataDir('foreign', { 'db/letter.txt': 'dear' });
  const lost = await dataDir('lost', { 'jwt-secret': 'x'.repeat(43) });
  const taken = await dataDir('taken');
  const release = await lockDataDir(taken);
  t.teardown(release);
  await writeFile(join(folder, 'file'), '');

  const url = (database: string, role = 'chat', port = plain.port, secret = SECRET) =>
    `postgres://${role}:${secret}@127.0.0.1:${port}/${database}`;
  const good = { DB_URL: url('good') };
  const redis = (addr: string) => ({ ...good, REDIS_ADDR: addr });
  /** What is set, and what is read. */
  const table: [env: Env, sentence: RegExp, args?: string[]][] = [
    [{ PORT: '70000' }, /PORT=70000: it should be a whole number from 0 to 65535/],
    [{ PORT: 'http' }, /PORT=http: it should be a whole number/],
    [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL=loud: it should be one of info, /],
    [{ TOKEN_HOURS: '0' }, /TOKEN_HOURS=0: it should be a whole number from 1 /],
    [{ DB_POOL: '1' }, /DB_POOL=1: it should be a whole number from 2 /],
    [{ INSTANCE_ID: 'x'.repeat(300) }, /INSTANCE_ID: it should be at most 200 characters/],
    [
      { ALLOWED_ORIGINS: 'https://a.example/chat' },
      /ALLOWED_ORIGINS: https:\/\/a.example\/chat should be an origin/,
    ],
    [{ ALLOWED_ORIGINS: '*' }, /ALLOWED_ORIGINS: \* should be an origin/],
    [{ TRUSTED_PROXIES: 'nginx' }, /TRUSTED_PROXIES: nginx should be an address/],
    [{ TRUSTED_PROXIES: '10.0.0.0/99' }, /TRUSTED_PROXIES: 10.0.0.0\/99 should be an address/],
    [{ HEARTBEAT_SECONDS: '90' }, /HEARTBEAT_TIMEOUT_SECONDS should be more than HEARTBEAT_SECONDS/],
    [
      { DRAIN_SECONDS: '60' },
      /SHUTDOWN_SECONDS should be at least DRAIN_PAUSE_SECONDS and DRAIN_SECONDS together/,
    ],
    [{ NODE_ENV: 'production', ...good, JWT_SECRET: '' }, /JWT_SECRET: in production it should be set/],
    [
      { NODE_ENV: 'production', ...good, JWT_SECRET: 'dev-secret-change-me' },
      /JWT_SECRET: in production it should be set/,
    ],
    [{}, /--nwe: there is no such argument; --new begins/, ['--nwe']],
    [{ REDIS_ADDR: 'localhost:6379' }, /REDIS_ADDR without DB_URL: /],
    [redis('redis'), /REDIS_ADDR: it should be host:port or a redis:/],
    [redis(`http://:${SECRET}@localhost`), /REDIS_ADDR: it should be host:port or a redis:/],
    [redis(`redis://:${SECRET}@localhost/chat`), /REDIS_ADDR: it should be host:port or a redis:/],
    [{ DB_URL: `mysql://root:${SECRET}@db/chat` }, /DB_URL: it should look like postgres:/],
    [{ DB_URL: 'postgres:///chat' }, /DB_URL: it should look like postgres:/],
    [{ DB_URL: `postgres://chat:${SECRET}@db:99999/chat` }, /DB_URL: it should look like postgres:/],
    [
      { DB_URL: `postgres://chat:${SECRET}%zz@db/chat` },
      /DB_URL: .*encode special characters of the password: @ is %40/,
    ],
    [
      { DB_URL: `postgres://chat:@${SECRET}@no-such-host.invalid/chat` },
      /^PostgreSQL at no-such-host\.invalid:5432\/chat \(DB_URL\) can't be used: getaddrinfo/,
    ],
    [
      { DB_URL: `postgres://chat:#${SECRET}@db/chat` },
      /DB_URL: .*encode special characters of the password: @ is %40/,
    ],
    [{ DB_URL: `postgres://chat:${SECRET}@db` }, /DB_URL: it names no database; put one behind the host/],
    [
      { DB_URL: `${url('good')}?sslmode=required` },
      /DB_URL: sslmode should be one of disable, allow, prefer, require,/,
    ],
    [{ DB_URL: `${url('good')}?pool=3` }, /DB_URL: pool is not among its parameters, sslmode, /],
    [
      { DB_URL: `${url('good')}?target_session_attrs=writer` },
      /DB_URL: target_session_attrs should be one of any, /,
    ],
    [
      { DB_URL: `${url('good')}?sslmode=verify-ca&sslrootcert=${folder}/none.pem` },
      /sslrootcert in DB_URL names can't be read \(ENOENT/,
    ],

    [
      { DB_URL: url('good', 'chat', nobodyPort) },
      /\(DB_URL\) can't be used: connect ECONNREFUSED .*Start it, or correct/,
    ],
    [{ DB_URL: `postgres://chat:${SECRET}@nowhere.invalid/chat` }, /\(DB_URL\) can't be used: getaddrinfo /],
    [{ DB_URL: url('good', 'chat', webPort) }, /\(DB_URL\) can't be used: /],
    [{ DB_URL: url('good', 'chat', open.port) }, /\(DB_URL\) can't be used: /],
    [
      { DB_URL: url('good', 'chat', plain.port, `${SECRET}-wrong`) },
      /refuses the password of chat: check the one in DB_URL/,
    ],
    [{ DB_URL: url('good', 'stranger') }, /refuses (the password of )?stranger/],
    [
      { DB_URL: url('nothing') },
      /has no database nothing: make it with createdb -T template0 -E UTF8 nothing/,
    ],
    [{ DB_URL: url('latin') }, /keeps its text as LATIN1, .*: make the database anew with createdb/],
    [{ DB_URL: url('ascii') }, /keeps its text as SQL_ASCII, .*: make the database anew with createdb/],
    [
      { DB_URL: url('good', 'guest') },
      /doesn't let the role guest make tables in the schema public: .*grant create on schema public to "guest"/,
    ],
    [
      { DB_URL: url('foreign_tables') },
      /has a table users of another program: give chat-server a database of its own/,
    ],
    [{ DB_URL: url('elsewhere') }, /has the tables in the schema chat: add \?search_path=chat to DB_URL/],
    [{ DB_URL: `${url('good')}?search_path=nowhere` }, /has no schema nowhere: make it with create schema/],
    [
      { DB_URL: url('good', 'few') },
      /has fewer connections than DB_POOL \(10\) .*the role few leaves 1\. Lower DB_POOL|too many connections for role/,
    ],
    [{ DB_URL: url('good', 'frozen') }, /takes no writes by default \(default_transaction_read_only is on/],
    [
      { DB_URL: url('narrow') },
      /has fewer connections than DB_POOL \(10\) .*the database narrow leaves 3\. Lower DB_POOL/,
    ],
    [
      { ...good, DB_POOL: '100' },
      /has fewer connections than DB_POOL \(100\) .*max_connections leaves 27\. Lower DB_POOL/,
    ],
    [{ DB_URL: `${url('good')}?sslmode=require` }, /offers no TLS, which sslmode=require in DB_URL asks for/],
    [
      { DB_URL: `${url('good')}?sslmode=verify-full` },
      /offers no TLS, which sslmode=verify-full in DB_URL asks for/,
    ],
    [
      { DB_URL: `${tls.url()}?sslmode=verify-full` },
      /certificate that can't be trusted \(self-signed certificate\): name the authority's certificate with sslrootcert/,
    ],
    [
      { DB_URL: `${tls.url()}?sslrootcert=system` },
      /certificate that can't be trusted \(self-signed certificate\): name/,
    ],
    [
      { DB_URL: `${tls.url()}?sslmode=verify-full&sslrootcert=${cert}` },
      /certificate that can't be trusted \(.*\): connect by the name that the certificate is for/,
    ],
    [
      { DB_URL: url('good', 'chat', poolerPort) },
      /is behind a pooler such as PgBouncer, .*: point DB_URL at the server itself/,
    ],
    [
      { DB_URL: url('changed'), REDIS_ADDR: 'memory' },
      /The migration 0001_log.sql has changed since it was applied: restore that file/,
    ],
    [
      { DB_URL: url('newer'), REDIS_ADDR: 'memory' },
      /The database has the migration 9999_next.sql, which this version doesn't know: start a newer/,
    ],

    [
      redis(`127.0.0.1:${nobodyPort}`),
      /Redis at 127.0.0.1:\d+ \(REDIS_ADDR\) can't be reached: .*ECONNREFUSED/,
    ],
    [
      redis(`redis://:${SECRET}@127.0.0.1:${locked.port}`),
      /Redis at redis:\/\/127.0.0.1:\d+ \(REDIS_ADDR\) refuses the password/,
    ],
    [redis(locked.addr), /\(REDIS_ADDR\) asks for a password: write redis:\/\/:password@host:port/],
    [redis(`redis://${open.addr}/9999`), /\(REDIS_ADDR\) has no database of that number/],
    [redis(`${open.addr},127.0.0.1:${nobodyPort}`), /\(REDIS_ADDR\) is no cluster: name one server only/],
    [redis(`rediss://:${SECRET}@${open.addr}`), /\(REDIS_ADDR\) (offers no TLS|can't be reached)/],
    [redis(`127.0.0.1:${plain.port}`), /\(REDIS_ADDR\) can't be reached/],

    [
      { DATA_DIR: '/proc/nothing/here' },
      /The data folder \/proc\/nothing\/here can't be used \(ENOENT.*set DATA_DIR/,
    ],
    [{ DATA_DIR: join(folder, 'file') }, /The data folder .*file can't be used \(EEXIST.*set DATA_DIR/],
    [{ DATA_DIR: foreign }, /foreign\/db holds files but no database: move them away, or set DATA_DIR/],
    [
      { DATA_DIR: lost },
      /lost\/db is missing, though jwt-secret beside it says that there was a database: .*--new/,
    ],
    [{ DATA_DIR: taken }, /taken is already in use by process \d+: stop that one first, or set DATA_DIR/],
  ];

  const child = fork(fileURLToPath(import.meta.url), ['starter'], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, TEST_STACK: '' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data));
  // The test runner talks on the same channel.
  const answer = async (): Promise<{ sentence: string; ms: number }> => {
    for (;;) {
      const [word] = await once(child, 'message');
      if (word instanceof Object && 'sentence' in word) return word;
    }
  };
  await answer();
  t.ok(table.length >= 60, `${table.length} wrong starts`);
  for (const [env, sentence, args = []] of table) {
    const told = answer();
    child.send({ env: { STARTUP_WAIT_SECONDS: '0', JWT_SECRET: `${SECRET}-to-sign-tokens`, ...env }, args });
    const { sentence: said, ms } = await told;
    const what = Object.entries(env)
      .map(([name, value]) => `${name}=${value.slice(0, 80)}`)
      .join(' ');
    t.match(said, sentence, what.replaceAll(SECRET, '…'));
    t.ok(ms < 15_000, `${ms} ms`);
  }
  t.ok(output.includes('refuses the password'), 'all output is looked at');
  t.notMatch(output, SECRET, 'no secret is in it');

  await t.test("what a role's settings would change is set by the server", async (t) => {
    const server = await build(t, { DB_URL: url('germany', 'german'), REDIS_ADDR: 'memory', DB_POOL: '3' });
    const [alice, bob] = [await signUp(server), await signUp(server)];
    const client = await connect(t, server, alice);
    client.send('chat', { to_user_id: bob.user_id, content: 'hello' });
    const { status, body } = await server.request('GET', '/api/conversations', { token: bob.token });
    t.equal(status, 200);
    await client.barrier();
    const again = await server.request('GET', '/api/conversations', { token: bob.token });
    const { created_at } = again.body.data.conversations[0].last_message;
    t.ok(Math.abs(Date.parse(created_at) - Date.now()) < 60_000, `${body.code} ${created_at}`);
  });

  await t.test('a certificate of a known authority is taken', async (t) => {
    const database = `${await tls.createDatabase()}?sslmode=verify-ca&sslrootcert=${cert}`;
    const server = await build(t, { DB_URL: database, REDIS_ADDR: 'memory', DB_POOL: '3' });
    const [row] = await server.app.db.sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    t.equal(row?.ssl, true);
  });
}

if (process.argv[2] === 'starter') await starter();
else await test('wrong starts, and settings that are right', { timeout: 280_000 }, tests);
