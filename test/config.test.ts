import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, loadConfig, misspelled, PUBLIC_SECRET } from '../plugins/config.js';
import { Config } from '../schemas/config.js';
import { builtServer, startProcess } from './process.js';

const DB_URL = 'postgres://chat:secret@db:5432/chat';

/** What is wrong with these settings. */
function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

t.test('with nothing set, every setting has its default, and nothing else is needed', async (t) => {
  const config = loadConfig({});
  for (const [name, schema] of Object.entries(Config.properties))
    t.equal(config[name as keyof Config], schema.default, name);
  t.match(config, {
    embedded: true,
    production: false,
    allowedOrigins: [],
    trustedProxies: [],
    redisNodes: [],
  });
  t.match(config, {
    PORT: 8080,
    HOST: 'localhost',
    INSTANCE_ID: 'server-1',
    MAX_FRAME_BYTES: 4096,
    TOKEN_HOURS: 24,
  });
  t.ok(Object.isFrozen(config));
});

t.test('every setting is read from its variable', async (t) => {
  const texts: Record<string, string> = {
    HOST: '0.0.0.0',
    DB_URL,
    REDIS_ADDR: 'redis:6379',
    INSTANCE_ID: 'pod-7',
    JWT_SECRET: 'a secret that is long enough to sign with',
    JWT_SECRET_BEFORE: 'the one before, which is long enough, too\n and one before that, of enough letters',
    DATA_DIR: '/srv/chat',
    ALLOWED_ORIGINS: 'https://a.example, http://b.example:8080',
    TRUSTED_PROXIES: '10.0.0.0/8,::1',
    DIRECTORY: 'contacts',
    LOG_LEVEL: 'debug',
    NODE_ENV: 'production',
    SINGLE_SESSION: '1',
  };
  const numbers = Object.entries(Config.properties).flatMap(([name, schema]) =>
    schema.type === 'integer' ? [[name, Number(schema.default) + 1] as const] : [],
  );
  t.strictSame(
    [...Object.keys(texts), ...numbers.map(([name]) => name)].sort(),
    Object.keys(Config.properties).sort(),
  );
  const config = loadConfig({
    ...texts,
    ...Object.fromEntries(numbers.map(([name, value]) => [name, String(value)])),
  });
  t.match(config, { ...texts, ...Object.fromEntries(numbers) });
  t.match(config, {
    embedded: false,
    production: true,
    allowedOrigins: ['https://a.example', 'http://b.example:8080'],
    trustedProxies: ['10.0.0.0/8', '::1'],
    redisNodes: ['redis:6379'],
    secretsBefore: ['the one before, which is long enough, too', 'and one before that, of enough letters'],
  });
});

t.test(
  'an empty variable is the default, surrounding space is none, and unknown names are ignored',
  async (t) => {
    const config = loadConfig({ PORT: ' ', HOST: '', LOG_LEVEL: ' warn ', TOKEN_HOURS: ' 5 ', PORTT: 'x' });
    t.match(config, { PORT: 8080, HOST: 'localhost', LOG_LEVEL: 'warn', TOKEN_HOURS: 5 });
  },
);

t.test('all bad values are reported at once, each with what it should be', async (t) => {
  const problems = problemsOf({
    PORT: '70000',
    INSTANCE_ID: 'x'.repeat(201),
    DB_URL: 'mysql://db/chat',
    REDIS_ADDR: 'redis',
    ALLOWED_ORIGINS: 'chat.example',
    TRUSTED_PROXIES: 'everybody',
    LOG_LEVEL: 'loud',
    NODE_ENV: 'production',
    TOKEN_HOURS: '0',
    HEARTBEAT_SECONDS: '60',
    HEARTBEAT_TIMEOUT_SECONDS: '60',
  });
  const wanted = [
    'PORT=70000: it should be a whole number from 0 to 65535',
    'INSTANCE_ID: it should be at most 200 characters',
    'LOG_LEVEL=loud: it should be one of info, fatal, error, warn, debug, trace, silent',
    'TOKEN_HOURS=0: it should be a whole number from 1 to 8760',
    'DB_URL: it should look like postgres://user:password@host:5432/database',
    'REDIS_ADDR: it should be host:port or a redis:// or rediss:// URL',
    'ALLOWED_ORIGINS: chat.example should be an origin such as https://chat.example.org',
    'TRUSTED_PROXIES: everybody should be an address, or a network',
    'HEARTBEAT_TIMEOUT_SECONDS should be more than HEARTBEAT_SECONDS',
    'JWT_SECRET: in production it should be set to a secret of your own',
  ];
  t.equal(problems.length, wanted.length, problems.join('\n'));
  for (const sentence of wanted)
    t.ok(
      problems.some((problem) => problem.startsWith(sentence)),
      sentence,
    );
});

t.test('a number is a whole one within its bounds, and is not converted from anything else', async (t) => {
  for (const [name, schema] of Object.entries(Config.properties)) {
    if (schema.type !== 'integer') continue;
    const { minimum = 0, maximum = 0 } = schema;
    const others = {
      HEARTBEAT_SECONDS: '1',
      HEARTBEAT_TIMEOUT_SECONDS: '7200',
      DRAIN_SECONDS: '0',
      SHUTDOWN_SECONDS: '600',
    };
    for (const value of [minimum, maximum]) {
      if (name === 'HEARTBEAT_TIMEOUT_SECONDS' || value > minimum || minimum > 0 || name === 'PORT')
        t.strictSame(problemsOf({ ...others, [name]: String(value) }), [], `${name}=${value}`);
    }
    for (const value of [
      minimum - 1,
      maximum + 1,
      `${minimum}.5`,
      `${minimum + 1}x`,
      '0x10',
      '1e3',
      'NaN',
      '9'.repeat(20),
    ])
      t.match(problemsOf({ ...others, [name]: String(value) }), [`${name}=${value}`], `${name}=${value}`);
  }
});

t.test('a name that looks like a setting and is none is told', async (t) => {
  const told = (env: Record<string, string>) =>
    misspelled(env).map((line) => line.split(' is no setting of chat-server; ').join(' → '));
  t.strictSame(
    told({ JWT_SECERT: 'x', DB_ULR: 'x', DATABASE_URL: 'x', MAX_FRAME_BYTE: '1', REDIS_URL: 'x' }),
    [
      'JWT_SECERT → JWT_SECRET is, and is not set.',
      'DB_ULR → DB_URL is, and is not set.',
      'DATABASE_URL → DB_URL is, and is not set.',
      'MAX_FRAME_BYTE → MAX_FRAME_BYTES is, and is not set.',
      'REDIS_URL → REDIS_ADDR is, and is not set.',
    ],
  );
  t.strictSame(told({ DATABASE_URL: 'x', DB_URL }), [], 'nothing where the right one is set');
  t.strictSame(
    told({ PATH: 'x', HOSTNAME: 'x', SHELL: 'x', LOGNAME: 'x', POSTS: 'x', npm_config_user_agent: 'x' }),
    [],
  );
});

t.test('Redis without PostgreSQL is refused', async (t) => {
  t.match(problemsOf({ REDIS_ADDR: 'localhost:6379' }), [/^REDIS_ADDR without DB_URL/]);
  t.strictSame(problemsOf({ REDIS_ADDR: 'memory' }), []);
});

t.test('Redis is an address, a URL, several, or none', async (t) => {
  for (const [addr, nodes] of [
    ['', ['localhost:6379']],
    ['memory', []],
    ['redis:6379', ['redis:6379']],
    ['[::1]:6379', ['[::1]:6379']],
    ['redis://:pass%20word@redis:6379/3', ['redis://:pass%20word@redis:6379/3']],
    ['rediss://user:p@redis', ['rediss://user:p@redis']],
    ['a:7000, b:7001,c:7002', ['a:7000', 'b:7001', 'c:7002']],
  ] as const)
    t.strictSame(loadConfig({ DB_URL, REDIS_ADDR: addr }).redisNodes, nodes);
  for (const addr of [
    'redis',
    ':6379',
    'redis:99999',
    'http://redis:6379',
    'redis://',
    'redis://h/x',
    'redis://:%zz@h',
    'a b:1',
  ])
    t.match(problemsOf({ DB_URL, REDIS_ADDR: addr }), [/^REDIS_ADDR: it should be/], addr);
});

t.test('PostgreSQL is a URL that can be read, of one host or several', async (t) => {
  for (const url of [
    'postgres://db/chat',
    'postgresql://u:p%40@db:5433/chat?sslmode=require',
    'postgres://u:p@[::1]:5432/chat',
    'postgres://a:1,b:2/chat',
  ])
    t.strictSame(problemsOf({ DB_URL: url }), [], url);
  for (const url of [
    'db',
    'postgres://',
    'postgres:///chat',
    'postgres://db',
    'http://db/chat',
    'postgres://db:99999/x',
    'postgres://u:%zz@db/x',
  ])
    t.match(problemsOf({ DB_URL: url }), [/^DB_URL: it (should look like|names no database)/], url);
});

t.test('no secret is repeated in what is said about it', async (t) => {
  const said = problemsOf({
    DB_URL: 'postgres://u:hunter2@db:99999/x',
    REDIS_ADDR: 'redis://:hunter2@redis:99999',
    JWT_SECRET: 'hunter2'.repeat(1000),
  });
  t.equal(said.length, 3);
  t.notMatch(said.join('\n'), /hunter2/);
});

t.test('production needs a secret of its own, and the embedded database makes one', async (t) => {
  const production = { NODE_ENV: 'production' };
  t.match(problemsOf({ ...production, DB_URL }), [/^JWT_SECRET/]);
  t.match(problemsOf({ ...production, DB_URL, JWT_SECRET: PUBLIC_SECRET }), [/^JWT_SECRET/]);
  t.match(problemsOf({ ...production, JWT_SECRET: PUBLIC_SECRET }), [/^JWT_SECRET/]);
  t.strictSame(problemsOf(production), []);
  const own = 'of my own, and of 32 letters, so';
  t.strictSame(problemsOf({ ...production, DB_URL, JWT_SECRET: own }), []);
  t.match(problemsOf({ ...production, DB_URL, JWT_SECRET: own.slice(1) }), [
    /^JWT_SECRET: .* at least 32 bytes/,
  ]);
  t.match(problemsOf({ ...production, JWT_SECRET_BEFORE: `${own}\nshort` }), [
    /^JWT_SECRET_BEFORE: .* at least 32 bytes/,
  ]);
  t.strictSame(problemsOf({ DB_URL, JWT_SECRET: 'short' }), [], 'a warning, where it is for trying');
  t.match(problemsOf({ NODE_ENV: 'Production' }), [/^NODE_ENV=Production: it should be one of /]);
  t.strictSame(problemsOf({ DB_URL }), []);
});

t.test('origins and proxies are checked one by one', async (t) => {
  for (const origin of [
    '*',
    'null',
    'https://a.example/',
    'https://a.example/path',
    'a.example',
    'https://A.example',
  ])
    t.match(problemsOf({ ALLOWED_ORIGINS: `https://ok.example,${origin}` }), [/^ALLOWED_ORIGINS: /], origin);
  for (const proxy of [
    '1.2.3',
    '1.2.3.4/33',
    '::1/129',
    '1.2.3.4/0',
    '1.2.3.4/',
    '1.2.3.4/8/8',
    'proxy.example',
    'true',
  ])
    t.match(problemsOf({ TRUSTED_PROXIES: `10.0.0.1,${proxy}` }), [/^TRUSTED_PROXIES: /], proxy);
  t.strictSame(problemsOf({ TRUSTED_PROXIES: 'loopback, 10.0.0.0/8, fd00::/8, 192.168.0.1' }), []);
});

t.test('the environment is read in one place', async (t) => {
  const root = new URL('../', import.meta.url);
  const files = ['app.ts'];
  for (const folder of ['plugins', 'routes', 'schemas', 'sql'])
    for (const file of await readdir(new URL(folder, root), { recursive: true }))
      if (file.endsWith('.ts')) files.push(`${folder}/${file}`);
  // What names it in a comment has a backtick behind it.
  for (const file of files)
    t.notOk(/process\.env(?!`)/.test(await readFile(new URL(file, root), 'utf8')), file);
});

t.test('the process', async (t) => {
  const server = await builtServer(t);
  const folder = await mkdtemp(join(tmpdir(), 'chat-config-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, '.env'), 'PORT=from-file\nTOKEN_HOURS=from-file\n');
  const start = (env: Record<string, string>, cwd = folder) => startProcess(t, server, env, cwd);

  await t.test('names every bad setting and leaves, without a stack trace', async (t) => {
    const process = start({ LOG_LEVEL: 'loud', TOKEN_HOURS: '0' }, tmpdir());
    t.equal(await process.ended, 1);
    t.match(
      process.output(),
      /^The configuration can't be used:\n {2}- LOG_LEVEL=loud: .*\n {2}- TOKEN_HOURS=0: .*\n$/,
    );
  });

  await t.test('reads .env in development, and the environment goes first', async (t) => {
    const process = start({ TOKEN_HOURS: 'from-environment' });
    t.equal(await process.ended, 1);
    t.match(process.output(), 'PORT=from-file');
    t.match(process.output(), 'TOKEN_HOURS=from-environment');
  });

  await t.test('leaves when it is told to before it is ready', async (t) => {
    // Somebody who takes connections and says nothing.
    const silent = createServer().listen(0, '127.0.0.1');
    t.teardown(() => silent.close());
    await once(silent, 'listening');
    const asked = once(silent, 'connection');
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const process = start({
      NODE_ENV: 'test',
      DB_URL: `postgres://chat:hunter2@127.0.0.1:${port}/chat`,
      DATABASE_URL: 'x',
      JWT_SECERT: 'x',
      PORT: '0',
      TOKEN_HOURS: '1',
    });
    await asked;
    process.signal('SIGTERM');
    t.equal(await process.ended, 0);
    t.match(process.output(), 'asked to leave before it was ready');
    t.match(process.output(), 'JWT_SECERT is no setting of chat-server; JWT_SECRET is, and is not set.');
    t.notMatch(process.output(), 'hunter2');
  });

  await t.test('reads no .env in production', async (t) => {
    const process = start({ NODE_ENV: 'production', LOG_LEVEL: 'loud' });
    t.equal(await process.ended, 1);
    t.match(process.output(), 'LOG_LEVEL=loud');
    t.notMatch(process.output(), 'from-file');
  });

  await t.test(
    'says where it can be opened, leaves when it is told to, and names a port that is taken',
    async (t) => {
      const data = {
        DATA_DIR: join(folder, 'data'),
        NODE_ENV: 'production',
        LOG_LEVEL: 'fatal',
        DRAIN_SECONDS: '0',
      };
      const first = start({ ...data, PORT: '0' });
      const [, url = ''] = await first.says(
        /^chat-server is ready: open (http:\/\/localhost:\d+) \(embedded .*\n$/,
      );
      t.equal((await fetch(`${url}/readyz`)).status, 200);
      first.signal('SIGTERM');
      t.equal(await first.ended, 0);

      const other = createServer().listen(0, '127.0.0.1');
      t.teardown(() => other.close());
      await once(other, 'listening');
      const address = other.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const second = start({ ...data, HOST: '127.0.0.1', PORT: String(port) });
      t.equal(await second.ended, 1);
      t.equal(
        second.output(),
        `Can't listen on 127.0.0.1:${port} (HOST, PORT): another program has this port\n`,
      );
    },
  );
});
