/** compose.yaml, read by Debian's docker-compose and checked against the Compose Specification. */
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { findProgram, present } from '../nodes/find.js';
import { execute } from '../nodes/process.js';
import { at, checkCompose, listAt, read, root, type Table, tableAt, yaml } from './validators.js';

const compose = present(findProgram('docker-compose'), 'docker-compose');
const files = ['compose.yaml', 'deploy/compose.tls.yaml', 'deploy/make-env.sh', '.env.example'];

/** A folder with what Compose reads, as a fresh clone has it. */
async function project(t: Tap): Promise<string> {
  const folder = t.testdir();
  await mkdir(join(folder, 'deploy'));
  for (const file of files) await copyFile(join(root, file), join(folder, file));
  return folder;
}
type Tap = { testdir(): string };

/** No setting of this machine's takes part. */
const bare = { PATH: process.env.PATH, HOME: '/nonexistent' };
const config = (folder: string, env: NodeJS.ProcessEnv = {}, args: string[] = []) =>
  execute(compose, [...args, 'config'], { cwd: folder, env: { ...bare, ...env } }).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
const makeEnv = (folder: string) => execute('sh', ['deploy/make-env.sh'], { cwd: folder, env: bare });

t.test('a first start without secrets is refused, with the line that makes them', async (t) => {
  const folder = await project(t);
  const nothing = await config(folder);
  t.equal(nothing.code, 1);
  t.match(nothing.stderr, /there is no \.env yet - run this first - sh deploy\/make-env\.sh/);
  // Copying the example by hand is no way round it.
  await copyFile(join(folder, '.env.example'), join(folder, '.env'));
  t.equal((await config(folder)).code, 1);
});

t.test('one line makes strong secrets, once, that only their owner can read', async (t) => {
  const folder = await project(t);
  await makeEnv(folder);
  const text = await readFile(join(folder, '.env'), 'utf8');
  const secrets = [...text.matchAll(/^(JWT_SECRET|POSTGRES_PASSWORD)=(.*)$/gm)].map((match) => match[2]);
  t.equal(new Set(secrets).size, 2);
  for (const secret of secrets) t.match(secret, /^[0-9a-f]{64}$/);
  t.equal((await stat(join(folder, '.env'))).mode & 0o777, 0o600);
  await makeEnv(folder);
  t.equal(await readFile(join(folder, '.env'), 'utf8'), text, 'a second run keeps them');
});

t.test('with secrets, docker-compose takes the file and its TLS overlay', async (t) => {
  const folder = await project(t);
  await makeEnv(folder);
  const plain = await config(folder);
  t.equal(plain.stderr, '');
  const [file] = await yaml(plain.stdout);
  const services = tableAt(file, 'services');
  t.strictSame(Object.keys(services).sort(), ['certbot', 'nginx', 'postgres', 'redis', 'server']);

  // Nginx alone is published.
  const published = Object.entries(services).filter(([, service]) => at(service, 'ports'));
  t.strictSame(
    published.map(([name, service]) => [name, at(service, 'ports')]),
    [['nginx', [{ published: 80, target: 8080 }]]],
  );
  t.equal(at(file, 'networks.data.internal'), true);
  t.strictSame(Object.keys(tableAt(services, 'postgres.networks')), ['data']);
  t.strictSame(Object.keys(tableAt(services, 'redis.networks')), ['data']);

  // In order, each when the one before is healthy.
  const healthy = { condition: 'service_healthy' };
  t.strictSame(at(services, 'server.depends_on'), { postgres: healthy, redis: healthy });
  t.strictSame(at(services, 'nginx.depends_on'), { server: healthy });
  t.strictSame(at(services, 'certbot.profiles'), ['tls'], 'which is not started with the rest');
  for (const [name, service] of Object.entries(services)) {
    if (name === 'certbot') continue;
    t.equal(at(service, 'restart'), 'unless-stopped', name);
    t.ok(at(service, 'mem_limit'), `${name} has a memory limit`);
    t.strictSame(at(service, 'logging.options'), { 'max-file': '5', 'max-size': '10m' }, name);
    if (name !== 'server') t.ok(at(service, 'healthcheck.test'), `${name} has a health check`);
    if (name !== 'postgres') t.equal(at(service, 'read_only'), true, name);
  }

  // Two servers, that trust the very address that Nginx has, which is outside the range of the others.
  t.equal(at(services, 'server.scale'), 2);
  const address = at(services, 'nginx.networks.front.ipv4_address');
  t.equal(at(services, 'server.environment.TRUSTED_PROXIES'), address);
  t.equal(address, '172.31.250.2');
  t.equal(at(file, 'networks.front.ipam.config.0.ip_range'), '172.31.250.128/25');

  const tls = await config(folder, {}, ['-f', 'compose.yaml', '-f', 'deploy/compose.tls.yaml']);
  t.equal(tls.stderr, '');
  t.strictSame(listAt((await yaml(tls.stdout))[0], 'services.nginx.ports'), [
    { published: 80, target: 8080 },
    { published: 443, target: 8443 },
  ]);
});

t.test('the settings of .env arrive', async (t) => {
  const folder = await project(t);
  await makeEnv(folder);
  const text = await readFile(join(folder, '.env'), 'utf8');
  await writeFile(
    join(folder, '.env'),
    text
      .replace(/^HTTP_PORT=.*/m, 'HTTP_PORT=8081')
      .replace(/^SERVER_REPLICAS=.*/m, 'SERVER_REPLICAS=4')
      .replace(/^POSTGRES_IMAGE=.*/m, 'POSTGRES_IMAGE=postgres:15-alpine')
      .replace(/^FRONT_NETWORK=.*/m, 'FRONT_NETWORK=10.9.8'),
  );
  const { stdout } = await config(folder);
  const services = tableAt((await yaml(stdout))[0], 'services');
  t.strictSame(at(services, 'nginx.ports'), [{ published: 8081, target: 8080 }]);
  t.equal(at(services, 'server.scale'), 4);
  t.equal(at(services, 'postgres.image'), 'postgres:15-alpine');
  t.equal(at(services, 'server.environment.TRUSTED_PROXIES'), '10.9.8.2');
});

/** The text as it is with nothing set but the secrets. */
const defaults = (text: string) =>
  text.replace(/\$\{\w+:-([^}]*)\}/g, '$1').replace(/\$\{\w+:\?[^}]*\}/g, 'secret');

t.test('the files keep to the Compose Specification, and a misspelt key would not pass', async (t) => {
  for (const name of ['compose.yaml', 'deploy/compose.tls.yaml']) {
    const [file = {}] = await yaml(defaults(await read(name)));
    t.strictSame(await checkCompose(file), [], name);
  }
  const [file = {}] = await yaml(defaults(await read('compose.yaml')));
  const redis: Table = tableAt(file, 'services.redis');
  redis.mem_limits = '1g';
  t.match(await checkCompose(file), ['/services/redis must NOT have additional properties']);
});

t.test('a server is stopped for longer than it takes to shut down', async (t) => {
  const [file] = await yaml(await read('compose.yaml'));
  const server = tableAt(file, 'services.server');
  t.equal(at(server, 'stop_grace_period'), '30s');
  t.equal(at(server, 'environment.SHUTDOWN_SECONDS'), '20');
});
