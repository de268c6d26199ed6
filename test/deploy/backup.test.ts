/** Backup and restore with the commands of deploy/README.md, on real databases; and the reference's volume taken over. */
import { execFile } from 'node:child_process';
import { chown, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import WebSocket from 'ws';
import { makeReplica, type Replica } from '../fault/replica.js';
import { findPostgres, freePort, present } from '../nodes/find.js';
import { startPostgres } from '../nodes/postgres.js';
import { execute, makeFolder, ordinaryUser } from '../nodes/process.js';
import { builtServer } from '../process.js';
import { at, listAt, read, root, type Table, tableAt, yaml } from './validators.js';

const bin = present(findPostgres(), 'PostgreSQL');
const readme = await read('deploy/README.md');

/** The command in deploy/README.md that begins like this, without what brings it into the container. */
function command(beginning: string): string {
  const line = readme.split('\n').find((text) => text.includes(`postgres ${beginning}`));
  if (!line) throw new Error(`deploy/README.md has no ${beginning}`);
  return line.slice(line.indexOf(`postgres ${beginning}`) + 'postgres '.length);
}

interface Api {
  post(path: string, body: object, token?: string): Promise<Table>;
  get(path: string, token: string): Promise<Table>;
}
const api = (port: number): Api => {
  const ask = async (path: string, init: RequestInit, token = ''): Promise<Table> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    });
    const body: Table = JSON.parse(await answer.text());
    if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return tableAt(body, 'data');
  };
  return {
    post: (path, body, token) => ask(path, { method: 'POST', body: JSON.stringify(body) }, token),
    get: (path, token) => ask(path, {}, token),
  };
};

/** What an extended client is told that says which messages it holds. */
async function syncWith(port: number, token: string, positions: object[], epoch?: string): Promise<Table[]> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['chat.v2', `bearer.${token}`]);
  const frames: Table[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data) => {
      const frame: Table = JSON.parse(String(data));
      frames.push(frame);
      if (frame.type === 'welcome')
        socket.send(JSON.stringify({ type: 'sync', positions, ...(epoch && { epoch }) }));
      if (frame.type === 'synced' || frame.type === 'reset') resolve();
    });
  });
  socket.terminate();
  return frames;
}

/** Two people, one message; `later` is sent after the backup. */
async function talk(replica: Replica) {
  const { post } = api(replica.port);
  const person = (username: string) => ({ username, password: 'a password' });
  const a = await post('/register', person('anna'));
  const b = await post('/register', person('ben'));
  const token = String((await post('/login', person('anna'))).token);
  const send = (content: string) => post('/api/messages', { to_user_id: Number(b.user_id), content }, token);
  const conversation = Number((await send('before the backup')).conversation_id);
  t.ok(a.user_id);
  return {
    token,
    conversation,
    send,
    contents: async () => {
      const page = await api(replica.port).get(`/api/conversations/${conversation}/messages?after=0`, token);
      const [list] = Object.values(page).filter(Array.isArray);
      return (list ?? []).map((message) => at(message, 'content'));
    },
  };
}

const server = join(root, 'dist/server.js');
t.before(() => execute(process.execPath, ['build.mjs'], { cwd: root }));

/** A database, the settings of its servers, and a shell beside it for the commands of the page. */
async function database(t: Test) {
  const postgres = await startPostgres();
  t.teardown(postgres.stop);
  await postgres.createDatabase('chatdb');
  const env = {
    DB_URL: postgres.adminUrl('chatdb'),
    REDIS_ADDR: 'memory',
    JWT_SECRET: 'a secret of this test, and long enough',
  };
  const url = new URL(postgres.adminUrl());
  const folder = t.testdir();
  const run = (line: string) =>
    promisify(execFile)('bash', ['-euc', line], {
      cwd: folder,
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        PGHOST: '127.0.0.1',
        PGPORT: String(postgres.port),
        PGPASSWORD: url.password,
      },
    });
  return { env, run };
}

t.test(
  'PostgreSQL: dumped while it runs, restored, and clients are told where they have another history',
  async (t) => {
    const { env, run } = await database(t);
    const replica = await makeReplica({ name: 'one', port: await freePort(), server, env });
    t.teardown(replica.remove);
    await replica.start();

    const chat = await talk(replica);
    await run(command('pg_dump -U postgres -Fc chatdb >chatdb.dump'));
    const after = await chat.send('after the backup');
    const [welcome] = await syncWith(replica.port, chat.token, []);
    const epoch = String(welcome?.epoch);

    await replica.end();
    await run(command('dropdb'));
    await run(command('createdb'));
    await run(command('pg_restore'));
    await replica.start();

    t.strictSame(await chat.contents(), ['before the backup'], 'the same token, and the state of the dump');
    t.equal((await chat.send('and on')).seq, 2);
    const positions = [
      { conversation_id: chat.conversation, seq: 2, at: Date.parse(String(after.created_at)) },
    ];
    const frames = await syncWith(replica.port, chat.token, positions, epoch);
    t.equal(frames[0]?.epoch, epoch, 'it is the same installation');
    const reset = frames.find(({ type }) => type === 'reset');
    t.strictSame(
      [reset?.conversation_id, reset?.seq],
      [chat.conversation, 2],
      'that message was another one',
    );
  },
);

t.test('PostgreSQL: an update that stops all servers, and the way back from it', async (t) => {
  const { env, run } = await database(t);
  const newer = await builtServer(t);
  const mark = '-- alone: no instance of an earlier version may run while this is applied.';
  const migration = `${mark}\nalter table users add column form int;\n`;
  await writeFile(join(dirname(newer), 'sql/migrations/0099_forms.sql'), migration);
  const asked = async (of: string, task: string) =>
    (await execute(process.execPath, [of, task], { env: { ...process.env, ...env } })).stdout;
  const port = await freePort();
  const before = await makeReplica({ name: 'before', port, server, env });
  const after = await makeReplica({ name: 'after', port, server: newer, env });
  for (const { remove } of [before, after]) t.teardown(remove);
  await before.start();
  const chat = await talk(before);

  t.equal(await asked(newer, '--pending'), '0099_forms.sql alone\n');
  await run(command('pg_dump -U postgres -Fc chatdb >chatdb.dump'));
  t.equal(await asked(newer, '--pending'), '0099_forms.sql alone\n', 'asking changed nothing');
  await before.end();
  t.equal(await asked(newer, '--migrate'), '0099_forms.sql\n');
  t.equal(await asked(newer, '--pending'), '');
  await after.start();
  await chat.send('in the new form');
  t.strictSame(await chat.contents(), ['before the backup', 'in the new form']);
  await after.end();

  const unknown = /The database has the migration 0099_forms\.sql, which this version doesn't know/;
  await t.rejects(asked(server, '--pending'), unknown, 'the old version would not start');
  for (const step of ['dropdb', 'createdb', 'pg_restore']) await run(command(step));
  t.equal(await asked(server, '--pending'), '');
  await before.start();
  t.strictSame(await chat.contents(), ['before the backup']);
});

t.test('PostgreSQL: a server that is away is waited for, and told in a sentence', async (t) => {
  const DB_URL = `postgres://chat:secret@127.0.0.1:${await freePort()}/chat`;
  const env = { ...process.env, DB_URL, REDIS_ADDR: '', STARTUP_WAIT_SECONDS: '1' };
  const failed = execute(process.execPath, [server, '--pending'], { env });
  await t.rejects(failed, {
    code: 1,
    stdout: '',
    stderr: /can't be used: .* \(waited for 1 s\)\. Start it, /,
  });
});

t.test('one container: the stopped folder packed, put back, and the secret with it', async (t) => {
  const folder = await makeFolder('backup');
  t.teardown(folder.remove);
  const data = join(folder.path, 'data');
  await mkdir(data);
  const env = { DATA_DIR: data, NODE_ENV: 'production', DB_URL: '', REDIS_ADDR: '', JWT_SECRET: '' };
  const replica = await makeReplica({ name: 'one', port: await freePort(), server, env });
  t.teardown(replica.remove);
  await replica.start();
  const chat = await talk(replica);

  // The two commands as they are, with the folders of this test in place of the volumes.
  const lines = readme.split('\n');
  const pack = /tar -v .* chat-server (-czf .*)$/.exec(
    lines.find((line) => line.includes('--entrypoint tar')) ?? '',
  );
  const unpack = /-c '(find \/data .*)'$/.exec(lines.find((line) => line.includes('find /data')) ?? '');
  const here = (text = '') =>
    text.replace(/\/(data|backup)\b/g, (_, name) => (name === 'data' ? data : folder.path));
  await replica.end();
  await execute('bash', ['-euc', `tar ${here(pack?.[1])}`]);
  await replica.start();
  const after = await chat.send('after the backup');
  await replica.end();
  await execute('bash', ['-euc', here(unpack?.[1])]);
  await replica.start();

  t.strictSame(await chat.contents(), ['before the backup'], 'the same token, and the state of the copy');
  const positions = [
    { conversation_id: chat.conversation, seq: 2, at: Date.parse(String(after.created_at)) },
  ];
  const resets = async () =>
    (await syncWith(replica.port, chat.token, positions))
      .filter(({ type }) => type === 'reset')
      .map(({ conversation_id, seq }) => [conversation_id, seq]);
  t.strictSame(await resets(), [[chat.conversation, 1]], 'who holds more than there is hears of that');
  await chat.send('another second one');
  t.strictSame(await resets(), [[chat.conversation, 2]], 'and who holds another one in its place');
});

t.test(
  'K3s: the files of the reference, in the root of its volume, are taken over once and for all',
  async (t) => {
    const [, deployment] = await yaml(await read('deploy/k3s/postgres.yaml'));
    const [container] = listAt(deployment, 'spec.template.spec.initContainers');
    const [script] = listAt(container, 'args');
    const user = ordinaryUser('postgres', 'nobody');
    const folder = await makeFolder('volume', user);
    t.teardown(folder.remove);
    const volume = join(folder.path, 'volume');
    const takeOver = () =>
      execute('sh', ['-euc', String(script).replace('/var/lib/postgresql/data', volume)], {
        ...user,
        cwd: '/',
      });

    // A fresh volume: nothing to take over.
    await mkdir(volume);
    if (user.uid !== undefined && user.gid !== undefined) await chown(volume, user.uid, user.gid);
    await takeOver();
    t.strictSame(await readdir(volume), []);

    await execute(join(bin, 'initdb'), ['-D', volume, '-U', 'postgres', '--no-sync', '-A', 'trust'], {
      ...user,
      cwd: '/',
    });
    const files = (await readdir(volume)).sort();
    await takeOver();
    t.strictSame(await readdir(volume), ['pgdata']);
    t.strictSame((await readdir(join(volume, 'pgdata'))).sort(), files);
    const { stdout } = await execute(join(bin, 'pg_controldata'), ['-D', join(volume, 'pgdata')], {
      ...user,
      cwd: '/',
    });
    t.match(stdout, /Database cluster state: +shut down/);
    await execute(
      'sh',
      [
        '-c',
        `echo 'select 1' | "$0" --single -D "$1" postgres`,
        join(bin, 'postgres'),
        join(volume, 'pgdata'),
      ],
      { ...user, cwd: '/' },
    );

    // Run again, and after a run that broke off half way.
    await takeOver();
    await execute('sh', ['-c', `mv "$1"/pgdata/base "$1"/pgdata/PG_VERSION "$1"`, 'sh', volume], {
      ...user,
      cwd: '/',
    });
    await takeOver();
    t.strictSame(await readdir(volume), ['pgdata']);
    t.ok((await readdir(join(volume, 'pgdata'))).includes('base'));
  },
);
