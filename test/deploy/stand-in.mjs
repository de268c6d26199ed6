#!/usr/bin/env node
// Takes the place of k3s, docker, curl, sudo and ssh: writes down what it is asked, and answers as the real one would.
// What it knows is in $STAND_IN/state.json; every call becomes a line of $STAND_IN/calls.
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const home = process.env.STAND_IN;
const [, self, ...args] = process.argv;
const name = basename(self);
const line = args.join(' ');
const stateFile = join(home, 'state.json');
const state = JSON.parse(readFileSync(stateFile, 'utf8'));
const save = () => writeFileSync(stateFile, JSON.stringify(state));

/** Input is read only where it is announced, since the caller's may be a terminal or nothing at all. */
const input = / -f -|\/dev\/stdin/.test(` ${line}`) ? readFileSync(0, 'utf8') : '';
const record = () => appendFileSync(join(home, 'calls'), `${JSON.stringify({ name, args, input })}\n`);

function finish(code = 0, text = '') {
  save();
  process.stdout.write(text);
  process.exit(code);
}

const programs = {
  sudo() {
    record();
    const rest = args.filter((arg, index) => index > 1 || !/^-[An]$/.test(arg));
    if (args[0] === '-A') {
      state.typed = execFileSync(process.env.SUDO_ASKPASS, { encoding: 'utf8' }).trim();
      save();
    }
    const { status } = spawnSync(rest[0], rest.slice(1), {
      stdio: 'inherit',
      env: { ...process.env, AS_ROOT: '1' },
    });
    process.exit(status ?? 1);
  },

  curl() {
    record();
    if (state.fail === 'curl') finish(22);
    const target = args[args.indexOf('-o') + 1];
    // The installer that it fetches puts the program where it belongs.
    const made = line.includes('k3s.io') ? 'k3s' : 'docker';
    writeFileSync(target, `ln -s "$STAND_IN/stand-in.mjs" "$STAND_IN/bin/${made}"\n`);
    finish();
  },

  ssh() {
    record();
    // The other side is a home of its own on this machine.
    const there = args.indexOf('bash');
    const { status } = spawnSync(args[there], args.slice(there + 1), {
      stdio: 'inherit',
      cwd: join(home, 'there'),
      env: { PATH: process.env.PATH, STAND_IN: home, HOME: join(home, 'there'), SMOKE_WAIT: '0' },
    });
    process.exit(status ?? 1);
  },

  'ssh-keyscan'() {
    record();
    finish(0, 'host ssh-ed25519 found\n');
  },

  k3s() {
    record();
    if (state.uid !== 0 && !process.env.AS_ROOT) finish(1, 'permission denied\n');
    if (args[0] === 'ctr') {
      if (!existsSync(args.at(-1))) finish(1, 'no such file\n');
      state.imported = readFileSync(args.at(-1), 'utf8');
      finish();
    }
    kubectl();
  },

  docker() {
    record();
    if (line === 'info') finish(state.uid === 0 || state.inDockerGroup ? 0 : 1);
    if (state.uid !== 0 && !state.inDockerGroup && !process.env.AS_ROOT) finish(1);
    if (args[0] === 'compose') compose();
    else docker();
  },
};

const images = (text) =>
  Object.fromEntries(
    [...text.matchAll(/image: ((?:\S*\/)?([\w-]+):\S+)/g)].map(([, image, key]) => [key, image]),
  );

function kubectl() {
  const verb = args[1] === '-n' ? args.slice(3) : args.slice(1);
  const what = verb.join(' ');
  if (what.startsWith('kustomize')) {
    finish(0, execFileSync(state.kubectl, ['kustomize', verb[1]], { encoding: 'utf8' }));
  }
  if (what.startsWith('get secret')) finish(0, state.secret?.['jwt-secret'] ?? '');
  if (what.startsWith('get helmchartconfig')) finish(0, state.traefik ?? '');
  if (what.startsWith('get deployment')) {
    const deployment = state.deployments[verb[2]];
    if (!deployment) finish();
    const path = verb.at(-1);
    if (path.includes('revision')) finish(0, String(deployment.revision));
    if (path.includes('image')) finish(0, deployment.image);
    if (path.includes('labels')) finish(0, `${verb[2]}/${deployment.label}`);
  }
  if (what.startsWith('create -f -')) {
    state.secret = Object.fromEntries(
      [...input.matchAll(/^ {2}([\w-]+): (\S+)$/gm)].map(([, key, value]) => [key, value]),
    );
    delete state.secret.name;
  }
  if (what.startsWith('patch secret')) Object.assign(state.secret, JSON.parse(input).data);
  if (what.startsWith('apply -f') && verb.at(-1).endsWith('manifests.yaml')) {
    if (state.fail === 'apply') finish(1, 'error: connection refused\n');
    state.applied = readFileSync(verb.at(-1), 'utf8');
    for (const [key, image] of Object.entries(images(state.applied))) {
      const deployment = { 'chat-server-web': 'chat-web' }[key] ?? key;
      const before = state.deployments[deployment];
      state.deployments[deployment] = {
        image,
        label: deployment === 'chat-server' ? 'chat-server' : '',
        revision: (before?.revision ?? 0) + 1,
        before: before?.image,
      };
    }
  }
  if (what.startsWith('apply -f') && verb.at(-1).endsWith('traefik.yaml')) {
    state.traefik = 'traefik/chat-server';
    state.traefikConfig = readFileSync(verb.at(-1), 'utf8');
  }
  if (what.startsWith('rollout undo')) {
    const deployment = state.deployments[verb[2].replace('deployment/', '')];
    deployment.image = deployment.before;
    deployment.revision += 1;
    state.fail = '';
  }
  if (what.startsWith('rollout status deployment/chat-server') && state.fail === 'rollout') finish(1);
  if (what.startsWith('exec') && state.fail === 'smoke') finish(1, 'smoke test failed\n');
  if (what.startsWith('diff')) finish(1, 'diff\n');
  finish();
}

function docker() {
  if (args[0] === 'build' && state.fail === 'build') finish(1);
  if (args[0] === 'save') writeFileSync(args[2], args.slice(3).join(' '));
  if (args[0] === 'inspect') {
    const container = state.containers.find(({ id }) => id === args.at(-1));
    if (!container) finish(1);
    if (line.includes('Config.Image')) finish(0, `${container.image}\n`);
    finish(
      0,
      state.fail === 'unhealthy' && container.image !== state.good
        ? 'exited unhealthy\n'
        : 'running healthy\n',
    );
  }
  if (args[0] === 'exec' && state.fail === 'direct') finish(1, 'smoke test failed\n');
  if (args[0] === 'rm') state.containers = state.containers.filter(({ id }) => id !== args[1]);
  finish();
}

function compose() {
  const verb = args.slice(1);
  const add = (count) => {
    while (state.containers.length < count) {
      state.containers.push({ id: `c${state.next++}`, image: process.env.SERVER_IMAGE });
    }
  };
  if (verb[0] === 'build' && state.fail === 'build') finish(1);
  if (verb.join(' ') === 'up -d --wait') add(2);
  const scale = verb.find((arg) => arg.startsWith('server='));
  if (scale) add(Number(scale.slice('server='.length)));
  if (verb.join(' ') === 'ps -q server') finish(0, state.containers.map(({ id }) => `${id}\n`).join(''));
  if (
    verb.includes('smoke.mjs') &&
    state.fail === 'smoke' &&
    state.containers.some(({ image }) => image !== state.good)
  ) {
    finish(1, 'smoke test failed\n');
  }
  if (verb.some((arg) => arg.endsWith('/reload.sh')) && state.fail === 'reload')
    finish(1, 'bad nginx.conf\n');
  finish();
}

if (name === 'stand-in.mjs') {
  // node stand-in.mjs: puts itself in place under the names that it is to have from the start.
  chmodSync(self, 0o755);
  for (const program of args) symlinkSync(self, join(home, 'bin', program));
} else programs[name]();
