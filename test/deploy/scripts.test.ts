/** The deployment scripts, under shellcheck, and run with stand-ins that write down what they are asked. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { findProgram, present } from '../nodes/find.js';
import { execute } from '../nodes/process.js';
import { listen, type State } from './stand-in.js';
import { at, checkManifests, listAt, root, type Table, yaml } from './validators.js';

/** All that a script may use on a bare server, besides what it installs. */
const tools =
  'awk base64 basename bash cat chmod cp date dirname env grep gunzip gzip ln mkdir mktemp mv od rm sed sh sleep tail tar tr uname'.split(
    ' ',
  );

/** A server's folder with the project in it, and the stand-ins of what is installed there. */
async function server(t: Test, installed: string[], known: Partial<State> = {}) {
  const home = t.testdir();
  for (const folder of ['bin', 'tools', 'project', 'there']) await mkdir(join(home, folder));
  const project = join(home, 'project');
  for (const name of ['deploy', 'compose.yaml', '.env.example']) {
    await cp(join(root, name), join(project, name), { recursive: true });
  }
  for (const tool of tools) symlinkSync(present(findProgram(tool), tool), join(home, 'tools', tool));
  const { port, script, state, calls } = await listen(t, home, known);
  for (const program of ['curl', 'sudo', ...installed]) symlinkSync(script, join(home, 'bin', program));
  await writeFile(join(home, 'bin/id'), `#!/bin/sh\necho ${state.uid}\n`, { mode: 0o755 });
  const base = {
    PATH: `${join(home, 'bin')}:${join(home, 'tools')}`,
    STAND_IN: String(port),
    HOME: home,
    SMOKE_WAIT: '0',
    SETTLE_SECONDS: '0',
  };

  async function run(name: string, env: NodeJS.ProcessEnv = {}, args: string[] = []) {
    calls.length = 0;
    const child = spawn('bash', [join(project, 'deploy', name), ...args], {
      env: { ...base, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [out, error, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('close', resolve)),
    ]);
    const lines = calls.map((call) => `${call.name} ${call.args.join(' ')}`);
    return { code, out: out + error, calls: [...calls], lines, state: structuredClone(state) };
  }
  return {
    home,
    project,
    run,
    set(change: Partial<State>) {
      Object.assign(state, change);
    },
  };
}
const decode = (value = '') => Buffer.from(value, 'base64').toString();
/** The calls that change something on the machine. */
const changes = (lines: string[]) =>
  lines.filter(
    (line) =>
      !/ get | wait --for=condition| kustomize | diff |^docker (info|inspect|ps)|compose ps/.test(`${line} `),
  );
const count = (lines: string[], part: string) => lines.filter((line) => line.includes(part)).length;

// Most of their time is the start of one program after the other.
t.jobs = 2;

t.test('shellcheck has nothing to say about any script', async (t) => {
  const scripts = ['deploy', 'test/deploy'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.sh'))
      .map((name) => join(root, folder, name)),
  );
  t.ok(scripts.length >= 6);
  const result = await execute(present(findProgram('shellcheck'), 'shellcheck'), scripts).catch(
    (error: { stdout: string }) => error,
  );
  t.equal(result.stdout, '');
});

t.test(
  'k3s-deploy.sh on a fresh server installs what is missing, builds, and makes strong secrets',
  async (t) => {
    const { run } = await server(t, []);
    const { code, out, lines, calls, state } = await run('k3s-deploy.sh');
    t.equal(code, 0, out);
    t.equal(count(lines, 'https://get.k3s.io'), 1);
    t.equal(count(lines, 'https://get.docker.com'), 1);
    const builds = lines.filter((line) => line.startsWith('docker build'));
    t.match(builds, [
      /--target server -t docker\.io\/library\/chat-server:local-\d{14} \.$/,
      /--target web -t docker\.io\/library\/chat-server-web:local-\d{14} \.$/,
    ]);
    t.match(String(state.imported), /chat-server:local-\d{14} \S+chat-server-web:local-\d{14}$/);

    t.match(decode(state.secret?.['jwt-secret']), /^[0-9a-f]{64}$/);
    const password = decode(state.secret?.['postgres-password']);
    t.match(password, /^[0-9a-f]{64}$/);
    t.equal(decode(state.secret?.['db-url']), `postgres://postgres:${password}@postgres:5432/chatdb`);
    t.notOk(
      calls.some(({ args }) => args.join(' ').includes(password)),
      'no secret is in an argument, where every user of the machine could read it',
    );
    t.notOk(out.includes(password), 'nor in what is printed');

    const waited = lines.filter((line) => line.includes('rollout status')).map((line) => line.split(' ')[6]);
    t.strictSame(
      waited,
      ['postgres', 'redis', 'chat-server', 'chat-web'].map((name) => `deployment/${name}`),
    );
    t.match(
      lines.find((line) => line.includes('smoke.mjs')),
      / node smoke\.mjs http:\/\/traefik\.kube-system\.svc\.cluster\.local$/,
    );
    t.match(out, /The service is running:\n {2}http:\/\/<address of this machine>\//);
  },
);

t.test('k3s-deploy.sh run again keeps the Secret, installs nothing, and rolls to a new image', async (t) => {
  const { run } = await server(t, []);
  const first = await run('k3s-deploy.sh');
  await new Promise((resolve) => setTimeout(resolve, 1000)); // images are named by the second
  const second = await run('k3s-deploy.sh', { JWT_SECRET: 'another' });
  t.equal(second.code, 0, second.out);
  t.equal(count(second.lines, 'curl'), 0);
  t.notOk(second.calls.some(({ input }) => input.includes('kind: Secret')));
  t.strictSame(second.state.secret, first.state.secret);
  t.match(second.out, /JWT_SECRET in the environment differs from it and is not used/);
  t.not(second.state.deployments['chat-server']?.image, first.state.deployments['chat-server']?.image);
});

t.test('k3s-deploy.sh takes IMAGE from a registry, without Docker', async (t) => {
  const { run } = await server(t, []);
  const env = { IMAGE: 'ghcr.io/me/chat-server:1.2', JWT_SECRET: 'mine', POSTGRES_PASSWORD: 'also-mine' };
  const { code, out, lines, state } = await run('k3s-deploy.sh', env);
  t.equal(code, 0, out);
  t.equal(count(lines, 'docker'), 0);
  t.match(state.applied, /image: ghcr\.io\/me\/chat-server:1\.2\n/);
  t.match(state.applied, /image: ghcr\.io\/me\/chat-server-web:1\.2\n/);
  t.equal(decode(state.secret?.['jwt-secret']), 'mine');
  t.equal(decode(state.secret?.['db-url']), 'postgres://postgres:also-mine@postgres:5432/chatdb');

  const odd = await run('k3s-deploy.sh', { IMAGE: 'localhost:5000/chat-server' });
  t.equal(odd.code, 1);
  t.match(odd.out, /IMAGE needs a tag/);
  const digest = `ghcr.io/me/chat-server@sha256:${'0'.repeat(64)}`;
  t.match((await run('k3s-deploy.sh', { IMAGE: digest })).out, /WEB_IMAGE has to be given too/);
  const both = await run('k3s-deploy.sh', { IMAGE: digest, WEB_IMAGE: 'ghcr.io/me/web:1' });
  t.ok(String(both.state.applied).includes(`image: ${digest}\n`));
});

t.test('k3s-deploy.sh imports an archive that was sent along', async (t) => {
  const { run, home } = await server(t, ['k3s']);
  const archive = join(home, 'images.tar');
  await writeFile(archive, 'both images');
  await execute('gzip', [archive]);
  const env = { IMAGE: 'chat-server:abc', IMAGE_ARCHIVE: `${archive}.gz` };
  const { code, out, state } = await run('k3s-deploy.sh', env);
  t.equal(code, 0, out);
  t.equal(state.imported, 'both images');
});

t.test('k3s-deploy.sh --dry-run changes nothing, on a fresh server and on one that runs', async (t) => {
  const { run, home } = await server(t, []);
  const fresh = await run('k3s-deploy.sh', {}, ['--dry-run']);
  t.equal(fresh.code, 0, fresh.out);
  t.strictSame(fresh.lines, []);
  t.match(fresh.out, /would run: curl .*https:\/\/get\.k3s\.io/);
  t.notOk(existsSync(join(home, 'bin/k3s')));

  await run('k3s-deploy.sh');
  const running = await run('k3s-deploy.sh', { DOMAIN: 'chat.example.org', ACME_EMAIL: 'me@example.org' }, [
    '--dry-run',
  ]);
  t.equal(running.code, 0, running.out);
  t.strictSame(changes(running.lines), []);
  t.match(running.out, /would wait for postgres, redis, chat-server and chat-web, and run the smoke test/);
  t.equal((await run('k3s-deploy.sh', {}, ['--dry'])).code, 2);
});

t.test('k3s-deploy.sh goes back to what ran before when the new version does not get ready', async (t) => {
  for (const fail of ['rollout', 'smoke']) {
    const { run, set } = await server(t, ['k3s']);
    await run('k3s-deploy.sh', { IMAGE: 'chat-server:good' });
    set({ fail });
    const { code, out, lines, state } = await run('k3s-deploy.sh', { IMAGE: 'chat-server:bad' });
    t.equal(code, 1);
    t.match(out, /The previous version runs again\.\n$/);
    t.strictSame(
      lines.filter((line) => line.includes('rollout undo')).map((line) => line.split(' ').slice(-2)),
      [
        ['deployment/chat-server', '--to-revision=1'],
        ['deployment/chat-web', '--to-revision=1'],
      ],
    );
    t.equal(state.deployments['chat-server']?.image, 'chat-server:good');
  }
});

t.test('k3s-deploy.sh that broke off in the middle is simply run again', async (t) => {
  const { run, set } = await server(t, []);
  for (const fail of ['curl', 'build', 'apply', 'rollout']) {
    set({ fail });
    const broken = await run('k3s-deploy.sh');
    t.not(broken.code, 0, fail);
    if (fail === 'rollout')
      t.match(broken.out, /This was the first start, so there is nothing to go back to/);
  }
  const before = (await run('k3s-deploy.sh', {}, ['--dry-run'])).state.secret;
  t.ok(before?.['jwt-secret'], 'the Secret of the run that failed later');
  set({ fail: '' });
  const again = await run('k3s-deploy.sh');
  t.equal(again.code, 0, again.out);
  t.strictSame(again.state.secret, before, 'and it is the same one');
  t.equal(count(again.lines, 'curl'), 0, 'K3s and Docker were there by then');
});

t.test('k3s-deploy.sh takes the place of the reference', async (t) => {
  const reference = {
    secret: {
      'jwt-secret': Buffer.from('our-own-secret-of-the-reference-days').toString('base64'),
      'postgres-password': 'x',
      'db-url': 'x',
    },
    deployments: {
      'chat-server': { image: 'chat-server:local', label: '', revision: 4 },
      postgres: { image: 'postgres:15-alpine', label: '', revision: 1 },
    },
  };
  const { run, set } = await server(t, ['k3s'], reference);
  const { code, out, lines, state } = await run('k3s-deploy.sh', { IMAGE: 'chat-server:new' });
  t.equal(code, 0, out);
  const stopped = lines.findIndex((line) => line.includes('scale deployment/chat-server --replicas=0'));
  const gone = lines.findIndex((line) => line.includes('wait --for=delete pod -l app=chat-server'));
  const applied = lines.findIndex((line) => line.endsWith('manifests.yaml') && line.includes('apply'));
  t.ok(stopped >= 0 && stopped < gone && gone < applied, 'it has stopped before ours starts');
  t.strictSame(state.secret, reference.secret, 'the same secret: tokens stay valid');
  t.match(state.applied, /image: postgres:15-alpine\n/, 'the same PostgreSQL on the same files');

  set({
    secret: {
      ...reference.secret,
      'jwt-secret': Buffer.from('chat_server_dev_jwt_secret').toString('base64'),
    },
  });
  const known = await run('k3s-deploy.sh', { IMAGE: 'chat-server:new' });
  t.match(known.out, /published default/);
  t.match(decode(known.state.secret?.['jwt-secret']), /^[0-9a-f]{64}$/);
  t.equal(known.state.secret?.['postgres-password'], 'x');
});

t.test(
  'k3s-deploy.sh with DOMAIN asks for a certificate and leads the smoke test to that name',
  async (t) => {
    const { run, set } = await server(t, ['k3s']);
    t.match(
      (await run('k3s-deploy.sh', { IMAGE: 'a:1', DOMAIN: 'chat.example.org' })).out,
      /DOMAIN needs ACME_EMAIL/,
    );
    const env = { IMAGE: 'chat-server:1', DOMAIN: 'chat.example.org', ACME_EMAIL: 'me@example.org' };
    const { code, out, lines, state } = await run('k3s-deploy.sh', env);
    t.equal(code, 0, out);
    const ingress = (await yaml(String(state.applied))).find((object) => object.kind === 'Ingress');
    t.equal(at(ingress, 'spec.rules.0.host'), 'chat.example.org');
    t.match(at(ingress, 'metadata.annotations'), {
      'traefik.ingress.kubernetes.io/router.tls.certresolver': 'letsencrypt',
    });
    const [config = {}] = await yaml(String(state.traefikConfig));
    const [values = {}]: Table[] = await yaml(String(at(config, 'spec.valuesContent')));
    t.equal(at(values, 'service.spec.externalTrafficPolicy'), 'Local');
    t.ok(
      listAt(values, 'additionalArguments').includes(
        '--certificatesresolvers.letsencrypt.acme.email=me@example.org',
      ),
    );
    t.match(
      lines.find((line) => line.includes('smoke.mjs')),
      /https:\/\/traefik\.kube-system\.svc\.cluster\.local chat\.example\.org$/,
    );
    t.match(out, /https:\/\/chat\.example\.org\//);

    // Somebody else's settings of the ingress controller are not ours to replace.
    set({ traefik: 'traefik/' });
    const foreign = await run('k3s-deploy.sh', env);
    t.equal(count(foreign.lines, 'traefik.yaml'), 0);
    t.match(foreign.out, /it is left as it is/);
  },
);

t.test('k3s-deploy.sh with autoscaling applies the overlay', async (t) => {
  const { run } = await server(t, ['k3s']);
  const { state } = await run('k3s-deploy.sh', { IMAGE: 'chat-server:1', OVERLAY: 'autoscale' });
  t.match(state.applied, /kind: HorizontalPodAutoscaler/);
  t.match(
    (await run('k3s-deploy.sh', { IMAGE: 'chat-server:1', OVERLAY: 'x' })).out,
    /there is no deploy\/k3s-x/,
  );
});

t.test('an ordinary user becomes root through sudo, with a password from the environment', async (t) => {
  const { run } = await server(t, [], { uid: 1000 });
  const { code, out, lines, state } = await run('k3s-deploy.sh', { SUDO_PASSWORD: `it's "secret"` });
  t.equal(code, 0, out);
  t.equal(state.typed, `it's "secret"`);
  t.notOk(lines.some((line) => line.includes('secret"')));
  const bare = await server(t, [], { uid: 1000 });
  const { lines: asked } = await bare.run('k3s-deploy.sh');
  t.ok(
    asked.filter((line) => line.startsWith('sudo')).every((line) => line.startsWith('sudo -n ')),
    'without one it fails at once instead of waiting for somebody to type',
  );
});

t.test('compose-deploy.sh starts a fresh server', async (t) => {
  const { run, project } = await server(t, []);
  const { code, out, lines, state } = await run('compose-deploy.sh');
  t.equal(code, 0, out);
  t.equal(count(lines, 'https://get.docker.com'), 1);
  t.equal(count(lines, 'docker compose up -d --wait'), 1);
  t.equal(state.containers.length, 2);
  const env = await readFile(join(project, '.env'), 'utf8');
  t.match(env, /^SERVER_IMAGE=chat-server:local-\d{14}$/m);
  t.equal((await stat(join(project, '.env'))).mode & 0o777, 0o600);
  t.equal(count(lines, 'node smoke.mjs http://nginx:8080'), 1);
});

t.test('compose-deploy.sh updates without a moment in which no server runs', async (t) => {
  const { run, set, project } = await server(t, ['docker']);
  await run('compose-deploy.sh', { IMAGE: 'chat-server:1' });
  set({ good: 'chat-server:1' });
  const { code, out, lines, state } = await run('compose-deploy.sh', { IMAGE: 'chat-server:2' });
  t.equal(code, 0, out);
  t.strictSame(
    state.containers.map(({ id, image }) => [id, image]),
    [
      ['c3', 'chat-server:2'],
      ['c4', 'chat-server:2'],
    ],
  );
  const steps = [
    '--scale server=4 server',
    'exec c3 node smoke.mjs',
    'stop c1',
    'stop c2',
    'exec -T nginx sh /etc/nginx/deploy/reload.sh',
    'node smoke.mjs http://nginx:8080',
  ];
  const places = steps.map((step) => lines.findIndex((line) => line.includes(step)));
  t.ok(
    places.every((place, index) => place > (places[index - 1] ?? -1)),
    `${places}`,
  );
  t.match(await readFile(join(project, '.env'), 'utf8'), /^SERVER_IMAGE=chat-server:2$/m);
});

t.test('compose-deploy.sh leaves the old servers alone when the new ones do not work', async (t) => {
  for (const fail of ['unhealthy', 'direct']) {
    const { run, set, project } = await server(t, ['docker']);
    await run('compose-deploy.sh', { IMAGE: 'chat-server:1' });
    set({ good: 'chat-server:1', fail });
    const { code, out, state, lines } = await run('compose-deploy.sh', { IMAGE: 'chat-server:2' });
    t.equal(code, 1, fail);
    t.match(out, /Still running: chat-server:1\n$/);
    t.strictSame(
      state.containers.map(({ id }) => id),
      ['c1', 'c2'],
    );
    t.equal(count(lines, 'stop c1'), 0);
    t.match(await readFile(join(project, '.env'), 'utf8'), /^SERVER_IMAGE=chat-server:1$/m);
  }
});

t.test('compose-deploy.sh goes back when only the way through Nginx fails', async (t) => {
  for (const fail of ['smoke', 'reload']) {
    const { run, set, project } = await server(t, ['docker']);
    await run('compose-deploy.sh', { IMAGE: 'chat-server:1' });
    set({ good: 'chat-server:1', fail });
    const env = { IMAGE: 'chat-server:2', SMOKE_TRIES: '2', SMOKE_PAUSE: '0' };
    const { code, out, state, lines } = await run('compose-deploy.sh', env);
    t.equal(code, 1, fail);
    t.match(out, /chat-server:1 runs again\.\n/);
    t.equal(count(lines, 'node smoke.mjs http://nginx:8080'), fail === 'smoke' ? 2 : 0);
    t.strictSame(
      state.containers.map(({ image }) => image),
      ['chat-server:1', 'chat-server:1'],
    );
    t.match(await readFile(join(project, '.env'), 'utf8'), /^SERVER_IMAGE=chat-server:1$/m);
  }
});

t.test('compose-deploy.sh --dry-run changes nothing', async (t) => {
  const { run, project } = await server(t, ['docker']);
  const { code, out, lines } = await run('compose-deploy.sh', {}, ['--dry-run']);
  t.equal(code, 0, out);
  t.strictSame(changes(lines), []);
  t.notOk(existsSync(join(project, '.env')));
});

t.test(
  'compose-deploy.sh uses sudo for Docker when the user may not talk to it, and takes its settings along',
  async (t) => {
    const { run } = await server(t, ['docker'], { uid: 1000 });
    const { code, out, state } = await run('compose-deploy.sh', {
      IMAGE: 'chat-server:1',
      SUDO_PASSWORD: 'x',
    });
    t.equal(code, 0, out);
    t.strictSame(
      state.containers.map(({ image }) => image),
      ['chat-server:1', 'chat-server:1'],
    );
  },
);

/** The version 2 has two migrations, of which no server of version 1 may run beside one. */
const alone = { 'chat-server:2': '0098_beside.sql\n0099_forms.sql alone\n' };
const order = (lines: string[], steps: (string | RegExp)[]) =>
  steps.map((step) =>
    lines.findIndex((line) => (step instanceof RegExp ? step.test(line) : line.includes(step))),
  );
const rising = (places: number[]) => places.every((place, index) => place > (places[index - 1] ?? -1));
/** The commands in what a script says, with the indentation that marks them. */
const commands = (out: string) => out.split('\n').flatMap((line) => /^ {2}(\S.*)$/.exec(line)?.[1] ?? []);
/** The restore of deploy/README.md, which backup.test.ts tries. */
const restore = (await readFile(join(root, 'deploy/README.md'), 'utf8'))
  .split('\n')
  .filter((line) => /^sudo docker compose exec -T postgres (dropdb|createdb|pg_restore) /.test(line));
const dumps = async (project: string) => (await readdir(project)).filter((name) => name.endsWith('.dump'));

t.test(
  'compose-deploy.sh stops all servers, after a dump, for a migration that they may not run beside',
  async (t) => {
    const { run, set, project } = await server(t, ['docker']);
    await run('compose-deploy.sh', { IMAGE: 'chat-server:1' });
    set({ good: 'chat-server:1', pending: alone });
    const { code, out, lines, state } = await run('compose-deploy.sh', { IMAGE: 'chat-server:2' });
    t.equal(code, 0, out);
    const steps = order(lines, [
      'run --rm --no-deps -T server --pending',
      'exec -T postgres pg_dump -U postgres -Fc chatdb',
      'docker stop c1 c2',
      'run --rm --no-deps -T server --migrate',
      '--scale server=2 server',
      'exec c3 node smoke.mjs',
      'node smoke.mjs http://nginx:8080',
    ]);
    t.ok(rising(steps), `${steps}`);
    t.strictSame(
      state.containers.map(({ image }) => image),
      ['chat-server:2', 'chat-server:2'],
    );
    t.match(
      out,
      /No server of chat-server:1 may run while 0099_forms\.sql is applied: all of them stop for it\.\n/,
    );
    t.match(out, /The server was away for \d+ s\.\n/);
    const [dump = '', ...others] = await dumps(project);
    t.strictSame(others, []);
    t.ok(out.includes(`To go back, there is ${join(project, dump)}.`));
    t.equal(await readFile(join(project, dump), 'utf8'), 'the dump');
    t.equal((await stat(join(project, dump))).mode & 0o777, 0o600);
    t.match(await readFile(join(project, '.env'), 'utf8'), /^SERVER_IMAGE=chat-server:2$/m);

    set({
      good: 'chat-server:2',
      pending: { 'chat-server:3': '0100_more.sql\n', 'chat-server:0': 'unknown' },
    });
    for (const image of ['chat-server:3', 'chat-server:0']) {
      const next = await run('compose-deploy.sh', { IMAGE: image });
      t.equal(next.code, 0, next.out);
      t.equal(count(next.lines, 'pg_dump') + count(next.lines, '--migrate'), 0, `${image} rolls`);
      t.equal(count(next.lines, '--scale server=4 server'), 1);
    }
  },
);

t.test('compose-deploy.sh leaves the old servers running where it can neither ask nor dump', async (t) => {
  const { run, set, project } = await server(t, ['docker']);
  await run('compose-deploy.sh', { IMAGE: 'chat-server:1' });
  for (const [change, said] of [
    [
      { fail: 'pending' },
      /PostgreSQL at postgres can't be used\n\nThe new version can't say what it would migrate/,
    ],
    [{ fail: 'dump' }, /The dump failed; see above/],
    [
      { fail: '', dbUrl: 'postgres://me:secret@db.example.org/chat' },
      /so make a backup yourself, and run this again with BACKUP_DONE=true/,
    ],
  ] as const) {
    set({ pending: alone, ...change });
    const { code, out, state } = await run('compose-deploy.sh', { IMAGE: 'chat-server:2' });
    t.equal(code, 1);
    t.match(out, said);
    t.match(out, /Still running: chat-server:1\n$/);
    t.strictSame(
      state.containers.map(({ id }) => id),
      ['c1', 'c2'],
    );
    t.strictSame(await dumps(project), []);
  }
  const { code, out, lines } = await run('compose-deploy.sh', {
    IMAGE: 'chat-server:2',
    BACKUP_DONE: 'true',
  });
  t.equal(code, 0, out);
  t.equal(count(lines, 'pg_dump'), 0);
  t.notMatch(out, /To go back/);
});

t.test('compose-deploy.sh says how to go back where what it has migrated does not work', async (t) => {
  for (const fail of ['migrate', 'migrated', 'unhealthy', 'direct', 'smoke', 'reload']) {
    const { run, set, project } = await server(t, ['docker']);
    await run('compose-deploy.sh', { IMAGE: 'chat-server:1' });
    set({ good: 'chat-server:1', pending: alone, fail });
    const env = { IMAGE: 'chat-server:2', SMOKE_TRIES: '1' };
    const { code, out, state } = await run('compose-deploy.sh', env);
    t.equal(code, 1, fail);
    const [dump = ''] = await dumps(project);
    t.match(await readFile(join(project, '.env'), 'utf8'), /^SERVER_IMAGE=chat-server:1$/m);
    if (fail === 'migrate') {
      t.match(
        out,
        /The migration failed and changed nothing; see above\. chat-server:1 runs again, after \d+ s\.\n$/,
      );
      t.strictSame(
        state.containers.map(({ image }) => image),
        ['chat-server:1', 'chat-server:1'],
      );
      continue;
    }
    t.match(out, /It does not work\. The old servers were not started again: /);
    t.notOk(
      state.containers.some(({ image }) => image === 'chat-server:1'),
      fail,
    );
    t.strictSame(commands(out).slice(-6), [
      `cd ${project}`,
      'sudo docker compose stop server',
      ...restore.map((line) => line.replace('<chatdb.dump', `<${join(project, dump)}`)),
      'sudo env SERVER_IMAGE=chat-server:1 docker compose up -d --no-deps --scale server=2 server',
    ]);
  }
});

t.test(
  'k3s-deploy.sh stops all servers, after a dump, for a migration that they may not run beside',
  async (t) => {
    const { run, set, project } = await server(t, ['k3s']);
    await run('k3s-deploy.sh', { IMAGE: 'chat-server:1' });
    set({ pending: alone, replicas: 3 });
    const { code, out, calls, lines, state } = await run('k3s-deploy.sh', {
      IMAGE: 'chat-server:2',
      OVERLAY: 'autoscale',
    });
    t.equal(code, 0, out);
    const steps = order(lines, [
      'create -f -',
      'exec deployment/postgres -c postgres -- pg_dump -U postgres -Fc chatdb',
      'scale deployment/chat-server --replicas=0',
      'wait --for=delete pod -l app=chat-server',
      /apply -f \S+manifests\.yaml$/,
      'scale deployment/chat-server --replicas=3',
      'rollout status deployment/chat-server',
      'smoke.mjs',
    ]);
    t.ok(rising(steps), `${steps}`);
    const pods = calls.flatMap(({ input }) => (input.includes('kind: Pod') ? [input] : []));
    t.strictSame(
      pods.map((input) => /server\.js, (\S+)\]/.exec(input)?.[1]),
      ['--pending', '--migrate'],
    );
    const [pod = {}] = await yaml(pods[0] ?? '');
    t.strictSame(await checkManifests([pod]), []);
    const [deployed = {}] = (await yaml(String(state.applied))).filter(
      (object) => object.kind === 'Deployment' && at(object, 'metadata.name') === 'chat-server',
    );
    for (const path of ['securityContext', 'containers.0.securityContext', 'containers.0.image'])
      t.match(at(deployed, `spec.template.spec.${path}`), at(pod, `spec.${path}`), path);
    t.equal(state.pod, undefined, 'the pods of the questions are gone');
    t.equal(state.replicas, 3, 'as many servers as before');
    t.match(out, /No old server may run while 0099_forms\.sql is applied: all of them stop for it\.\n/);
    t.match(out, /The server was away for \d+ s\.\n/);
    const [dump = ''] = await dumps(project);
    t.ok(out.includes(`To go back, there is ${join(project, dump)}.`));
    t.equal(await readFile(join(project, dump), 'utf8'), 'the dump');
    t.equal((await stat(join(project, dump))).mode & 0o777, 0o600);

    set({ pending: { 'chat-server:3': '0100_more.sql\n', 'chat-server:0': 'unknown' } });
    for (const image of ['chat-server:3', 'chat-server:0']) {
      const next = await run('k3s-deploy.sh', { IMAGE: image });
      t.equal(next.code, 0, next.out);
      t.equal(count(next.lines, 'pg_dump') + count(next.lines, ' scale '), 0, `${image} rolls`);
    }
  },
);

t.test('k3s-deploy.sh leaves the old servers running where it can neither ask nor dump', async (t) => {
  const { run, set } = await server(t, ['k3s']);
  await run('k3s-deploy.sh', { IMAGE: 'chat-server:1' });
  for (const [change, said] of [
    [{ fail: 'pending' }, /PostgreSQL at postgres can't be used\n\nIt can't say; see above/],
    [{ fail: 'dump' }, /The dump failed; see above/],
    [
      { fail: '', dbUrl: 'postgres://me:secret@db.example.org/chat' },
      /so make a backup yourself, and run this again with BACKUP_DONE=true/,
    ],
  ] as const) {
    set({ pending: alone, ...change });
    const { code, out, lines } = await run('k3s-deploy.sh', { IMAGE: 'chat-server:2' });
    t.equal(code, 1);
    t.match(out, said);
    t.match(out, /The version before still runs\.\n$/);
    t.equal(count(lines, ' scale ') + count(lines, 'manifests.yaml'), 0);
  }
  const { code, out, lines } = await run('k3s-deploy.sh', { IMAGE: 'chat-server:2', BACKUP_DONE: 'true' });
  t.equal(code, 0, out);
  t.equal(count(lines, 'pg_dump'), 0);
});

t.test('k3s-deploy.sh says how to go back where what it has migrated does not work', async (t) => {
  for (const fail of ['migrate', 'migrated', 'apply', 'rollout', 'smoke']) {
    const { run, set, project } = await server(t, ['k3s']);
    await run('k3s-deploy.sh', { IMAGE: 'chat-server:1' });
    set({ pending: alone, fail });
    const { code, out, lines, state } = await run('k3s-deploy.sh', { IMAGE: 'chat-server:2' });
    t.equal(code, 1, fail);
    t.equal(count(lines, 'rollout undo'), 0);
    if (fail === 'migrate') {
      t.match(
        out,
        /The migration failed and changed nothing; see above\. What ran before runs again, after \d+ s\.\n$/,
      );
      t.equal(state.replicas, 2);
      continue;
    }
    t.match(out, /It does not work\. The old servers were not started again: /);
    const [dump = ''] = await dumps(project);
    const kubectl = 'sudo k3s kubectl -n chat-server';
    t.strictSame(commands(out).slice(-8), [
      `${kubectl} scale deployment/chat-server --replicas=0`,
      `${kubectl} wait --for=delete pod -l app=chat-server --timeout=180s`,
      ...restore.map((line) =>
        line
          .replace(
            'sudo docker compose exec -T postgres',
            `${kubectl} exec -i deployment/postgres -c postgres --`,
          )
          .replace('<chatdb.dump', `<${join(project, dump)}`),
      ),
      `${kubectl} rollout undo deployment/chat-server --to-revision=1`,
      `${kubectl} rollout undo deployment/chat-web --to-revision=1`,
      `${kubectl} scale deployment/chat-server --replicas=2`,
    ]);
  }
});

t.test('over-ssh.sh sends the files and the images, and deploys with them', async (t) => {
  const { run, home } = await server(t, ['ssh', 'ssh-keyscan', 'k3s'], { uid: 1000 });
  const archive = join(home, 'project/images.tar');
  await writeFile(archive, 'both images');
  await execute('gzip', [archive]);
  const env = {
    SERVER_HOST: 'server.example.org',
    SERVER_USER: 'deploy',
    SERVER_PORT: '2222',
    SERVER_SSH_KEY: 'the key',
    SUDO_PASSWORD: `it's "secret" $HOME`,
    IMAGE: 'chat-server:abc',
    IMAGE_ARCHIVE: 'images.tar.gz',
  };
  const { code, out, calls, lines, state } = await run('over-ssh.sh', env);
  t.equal(code, 0, out);
  t.match(lines[0], /^ssh-keyscan -p 2222 server\.example\.org$/);
  t.match(
    lines.find((line) => line.startsWith('ssh ')),
    /-o StrictHostKeyChecking=yes .*-p 2222 deploy@server\.example\.org bash -s$/,
  );
  t.equal(state.typed, env.SUDO_PASSWORD);
  t.notOk(calls.some(({ args }) => args.join(' ').includes('secret"')));
  t.equal(state.imported, 'both images');
  t.equal(state.deployments['chat-server']?.image, 'chat-server:abc');
  t.ok(existsSync(join(home, 'there/chat-server/deploy/k3s-deploy.sh')));
  t.notOk(existsSync(join(home, 'there/chat-server/.images.tar.gz')), 'the archive is gone again');
});

t.test(
  'over-ssh.sh takes the Compose path, a folder of its own and a known host key, and says when it fails',
  async (t) => {
    const { run, home, set } = await server(t, ['ssh', 'docker']);
    const env = {
      SERVER_HOST: 'server.example.org',
      SERVER_USER: 'deploy',
      SERVER_HOST_KEY: 'server.example.org ssh-ed25519 AAAA',
      DEPLOY_METHOD: 'compose',
      DEPLOY_PATH: join(home, 'there/my folder'),
      IMAGE: 'chat-server:abc',
    };
    const { code, out, state } = await run('over-ssh.sh', env);
    t.equal(code, 0, out);
    t.equal(state.containers.length, 2);
    t.ok(existsSync(join(home, 'there/my folder/.env')));
    set({ good: 'chat-server:abc', fail: 'direct' });
    t.equal((await run('over-ssh.sh', { ...env, IMAGE: 'chat-server:def' })).code, 1);
    t.equal((await run('over-ssh.sh', { ...env, DEPLOY_METHOD: 'magic' })).code, 2);
  },
);
