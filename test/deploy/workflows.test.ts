/** The workflows, under actionlint and against what they promise; the action that deploys, with a stand-in for ssh. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { at, isTable, lintWorkflow, listAt, read, root, type Table, tableAt, yaml } from './validators.js';

const folder = '.github/workflows';
const names = readdirSync(join(root, folder)).filter((name) => name.endsWith('.yml'));
const load = async (name: string): Promise<Table> => (await yaml(await read(join(folder, name))))[0] ?? {};
const jobs = (workflow: Table) =>
  Object.values(tableAt(workflow, 'jobs')).map((job) => {
    if (!isTable(job)) throw new Error('a job is no table');
    return job;
  });

t.test('actionlint has nothing to say about any workflow', async (t) => {
  t.strictSame(names.sort(), ['deploy.yml', 'image.yml', 'tests.yml']);
  for (const name of names) {
    t.strictSame(await lintWorkflow(await read(join(folder, name)), join(folder, name)), [], name);
  }
});

t.test('actionlint would find a mistake', async (t) => {
  const text = (await read(`${folder}/tests.yml`)).replace('runs-on:', 'run-on:');
  t.not((await lintWorkflow(text, 'x.yml')).length, 0);
});

t.test(
  'every action is pinned by its full hash, the same everywhere, with its version beside it',
  async (t) => {
    const pins = new Map<string, Set<string>>();
    for (const name of names) {
      for (const [, action = '', rest = ''] of (await read(join(folder, name))).matchAll(
        /uses: ([^@\s]+)@?(.*)$/gm,
      )) {
        if (action.startsWith('./')) continue;
        t.match(rest, /^[0-9a-f]{40} # v\d+\.\d+\.\d+$/, `${name}: ${action}`);
        pins.set(action, (pins.get(action) ?? new Set()).add(rest));
      }
    }
    t.ok(pins.size >= 5);
    for (const [action, versions] of pins) t.equal(versions.size, 1, action);
  },
);

t.test('no workflow may do more than read, none keeps its token, and none runs for ever', async (t) => {
  for (const name of names) {
    const workflow = await load(name);
    t.strictSame(workflow.permissions, { contents: 'read' }, name);
    for (const job of jobs(workflow)) {
      t.equal(job.permissions, undefined, name);
      if (job.uses !== undefined) continue;
      t.type(job['timeout-minutes'], 'number', `${name}: ${job.name}`);
      for (const step of listAt(job, 'steps')) {
        if (String(at(step, 'uses')).startsWith('actions/checkout@')) {
          t.equal(at(step, 'with.persist-credentials'), false, name);
        }
        // What somebody else can choose must not become part of a script.
        t.notMatch(String(at(step, 'run')), /\$\{\{/, `${name}: ${job.name}`);
      }
    }
  }
});

t.test(
  'the tests run on every Node, PostgreSQL and Redis that is promised, on Linux and macOS',
  async (t) => {
    const workflow = await load('tests.yml');
    t.strictSame(at(workflow, 'jobs.bare.strategy.matrix'), {
      os: ['ubuntu-latest', 'macos-latest'],
      node: [20, 22, 24, 'latest'],
    });
    t.strictSame(at(workflow, 'jobs.services.strategy.matrix'), {
      postgres: [15, 16, 17, 18],
      redis: [7, 8],
    });
  },
);

t.test(
  'a deployment comes after green tests and a scanned image, one at a time, when there is a server',
  async (t) => {
    const workflow = await load('deploy.yml');
    t.strictSame(workflow.concurrency, { group: 'deploy', 'cancel-in-progress': false });
    const deploy = tableAt(workflow, 'jobs.deploy');
    t.strictSame(deploy.needs, ['tests', 'image', 'target']);
    t.equal(at(workflow, 'jobs.tests.uses'), './.github/workflows/tests.yml');
    t.equal(at(workflow, 'jobs.image.uses'), './.github/workflows/image.yml');
    const env = listAt(deploy, 'steps')
      .map((step) => at(step, 'env'))
      .find((table) => at(table, 'SERVER_HOST'));
    for (const name of [
      'SERVER_HOST',
      'SERVER_USER',
      'SERVER_SSH_KEY',
      'SERVER_PORT',
      'SUDO_PASSWORD',
      'DEPLOY_PATH',
    ]) {
      t.equal(at(env, name), `\${{ secrets.${name} }}`);
    }
  },
);

t.test('a change of one workflow by name only is no way round the tests', async (t) => {
  // On main they run in deploy.yml and nowhere else, elsewhere in tests.yml.
  const on = tableAt(await load('tests.yml'), 'on');
  t.strictSame(Object.keys(on).sort(), ['pull_request', 'push', 'workflow_call', 'workflow_dispatch']);
  t.strictSame(at(on, 'push.branches-ignore'), ['main']);
  t.strictSame(at(await load('deploy.yml'), 'on.push.branches'), ['main']);
});

t.test('dependencies of every kind are kept up to date', async (t) => {
  const [file] = await yaml(await read('.github/dependabot.yml'));
  const kinds = listAt(file, 'updates').map((update) => at(update, 'package-ecosystem'));
  t.strictSame(kinds, ['npm', 'github-actions', 'docker', 'docker-compose']);
});
