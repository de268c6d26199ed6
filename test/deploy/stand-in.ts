/** What the stand-ins of k3s, docker, curl, sudo and ssh (stand-in.sh) know and answer: as the real ones would. */
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { findProgram, present } from '../nodes/find.js';
import { here } from './validators.js';

export interface State {
  uid: number;
  inDockerGroup: boolean;
  /** What goes wrong from now on. */
  fail: string;
  /** The image that works where others don't. */
  good?: string;
  secret?: Record<string, string>;
  deployments: Record<string, { image: string; label: string; revision: number; before?: string }>;
  containers: { id: string; image: string }[];
  /** What an image says is pending in the database; nothing if it isn't here. */
  pending: Record<string, string>;
  dbUrl: string;
  replicas: number;
  /** The pod of a task, and what it said. */
  pod?: { phase: string; said: string };
  /** What sudo was told. */
  typed?: string;
  imported?: string;
  applied?: string;
  traefik?: string;
  traefikConfig?: string;
}
export interface Call {
  name: string;
  args: string[];
  input: string;
}
interface Asked extends Call {
  asRoot: boolean;
  serverImage: string;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
/** For the shell of the stand-in: ends with a code and says something before. */
const end = (code = 0, text = '') => `printf %s ${quoted(text)}; exit ${code}`;

const images = (text: string) =>
  [...text.matchAll(/image: ((?:\S*\/)?([\w-]+):\S+)/g)].map(
    ([, image = '', key = '']) => [key, image] as const,
  );

const script = join(here, 'stand-in.sh');
const realKubectl = present(findProgram('kubectl'), 'kubectl');

/** Listens to the stand-ins of one machine whose programs are in `<home>/bin`. */
export async function listen(t: Test, home: string, known: Partial<State>) {
  const state: State = {
    uid: 0,
    inDockerGroup: false,
    fail: '',
    deployments: {},
    containers: [],
    pending: {},
    dbUrl: 'postgres://postgres:secret@postgres:5432/chatdb',
    replicas: 2,
    ...known,
  };
  const calls: Call[] = [];
  let containers = 0;

  const programs: Record<string, (asked: Asked) => string> = {
    sudo({ args }) {
      const flags = args.findIndex((arg) => !/^-[An]$/.test(arg));
      const askpass = args[0] === '-A' ? '(tell typed "$("$SUDO_ASKPASS")"); ' : '';
      return `${askpass}shift ${flags}; AS_ROOT=1 exec "$@"`;
    },

    curl({ args }) {
      if (state.fail === 'curl') return end(22);
      // The installer that it fetches puts the program where it belongs.
      const made = args.some((arg) => arg.includes('k3s.io')) ? 'k3s' : 'docker';
      const target = args[args.indexOf('-o') + 1] ?? '';
      writeFileSync(target, `ln -s ${quoted(script)} ${quoted(join(home, 'bin', made))}\n`);
      return end();
    },

    ssh({ args }) {
      // The other side is a home of its own on this machine.
      const there = quoted(join(home, 'there'));
      return `cd ${there}; shift ${args.indexOf('bash')}
        exec env -i PATH="$PATH" STAND_IN="$STAND_IN" HOME=${there} SMOKE_WAIT=0 "$@"`;
    },

    'ssh-keyscan': () => end(0, 'host ssh-ed25519 found\n'),

    k3s(asked) {
      const { args } = asked;
      if (state.uid !== 0 && !asked.asRoot) return end(1, 'permission denied\n');
      if (args[0] !== 'ctr') return kubectl(asked);
      const archive = args.at(-1) ?? '';
      if (!existsSync(archive)) return end(1, 'no such file\n');
      state.imported = readFileSync(archive, 'utf8');
      return end();
    },

    docker(asked) {
      const { args } = asked;
      if (args.join(' ') === 'info') return end(state.uid === 0 || state.inDockerGroup ? 0 : 1);
      if (state.uid !== 0 && !state.inDockerGroup && !asked.asRoot) return end(1);
      return args[0] === 'compose' ? compose(asked) : docker(args);
    },
  };

  /** What the server of an image does in place of a start. */
  function task(image: string, argument: string): { code: number; said: string } {
    const lines = state.pending[image] ?? '';
    if (lines === 'unknown')
      return { code: 1, said: `  - ${argument}: there is no such argument; --new begins …\n` };
    if (argument === '--pending') {
      if (state.fail === 'pending') return { code: 1, said: "PostgreSQL at postgres can't be used\n" };
      return { code: 0, said: `REDIS_URL is no setting\n${lines}` };
    }
    if (state.fail === 'migrate') return { code: 1, said: 'the disk is full\n' };
    state.pending = {};
    return { code: state.fail === 'migrated' ? 1 : 0, said: lines.replaceAll(' alone', '') };
  }

  function kubectl({ args, input }: Call): string {
    const verb = args[1] === '-n' ? args.slice(3) : args.slice(1);
    const what = verb.join(' ');
    const last = verb.at(-1) ?? '';
    if (what.startsWith('kustomize')) return `exec ${quoted(realKubectl)} kustomize ${quoted(last)}`;
    if (last.includes('db-url')) return end(0, Buffer.from(state.dbUrl).toString('base64'));
    if (what.startsWith('get pod chat-task')) return end(0, state.pod?.phase ?? '');
    if (what.startsWith('logs pod/chat-task')) return end(0, state.pod?.said ?? '');
    if (what.startsWith('delete pod')) delete state.pod;
    if (what.startsWith('scale')) state.replicas = Number(last.replace('--replicas=', ''));
    if (what.includes('pg_dump')) return state.fail === 'dump' ? end(1) : end(0, 'the dump');
    if (what.startsWith('get secret')) return end(0, state.secret?.['jwt-secret'] ?? '');
    if (what.startsWith('get helmchartconfig')) return end(0, state.traefik ?? '');
    if (what.startsWith('get deployment')) {
      const name = verb[2] ?? '';
      const deployment = state.deployments[name];
      if (!deployment) return end();
      if (last.includes('revision')) return end(0, String(deployment.revision));
      if (last.includes('replicas')) return end(0, String(state.replicas));
      if (last.includes('image')) return end(0, deployment.image);
      if (last.includes('labels')) return end(0, `${name}/${deployment.label}`);
    }
    if (what.startsWith('create -f -') && input.includes('kind: Pod')) {
      const [, image = ''] = /image: (\S+)/.exec(input) ?? [];
      const [, argument = ''] = /server\.js, (\S+)\]/.exec(input) ?? [];
      const { code, said } = task(image, argument);
      state.pod = { phase: code === 0 ? 'Succeeded' : 'Failed', said };
    } else if (what.startsWith('create -f -')) {
      const data = [...input.matchAll(/^ {2}([\w-]+): (\S+)$/gm)].filter(([, key]) => key !== 'name');
      state.secret = Object.fromEntries(data.map(([, key = '', value = '']) => [key, value]));
    }
    if (what.startsWith('patch secret')) Object.assign(state.secret ?? {}, JSON.parse(input).data);
    if (what.startsWith('apply -f') && last.endsWith('manifests.yaml')) {
      if (state.fail === 'apply') return end(1, 'error: connection refused\n');
      state.applied = readFileSync(last, 'utf8');
      for (const [key, image] of images(state.applied)) {
        const name = key === 'chat-server-web' ? 'chat-web' : key;
        const before = state.deployments[name];
        state.deployments[name] = {
          image,
          label: name === 'chat-server' ? 'chat-server' : '',
          revision: (before?.revision ?? 0) + 1,
          ...(before && { before: before.image }),
        };
      }
    }
    if (what.startsWith('apply -f') && last.endsWith('traefik.yaml')) {
      state.traefik = 'traefik/chat-server';
      state.traefikConfig = readFileSync(last, 'utf8');
    }
    if (what.startsWith('rollout undo')) {
      const deployment = state.deployments[verb[2]?.replace('deployment/', '') ?? ''];
      if (deployment?.before === undefined) return end(1, 'error: no rollout history found\n');
      deployment.image = deployment.before;
      deployment.revision += 1;
      state.fail = '';
    }
    if (what.startsWith('rollout status deployment/chat-server') && state.fail === 'rollout') return end(1);
    if (what.startsWith('exec') && state.fail === 'smoke') return end(1, 'smoke test failed\n');
    if (what.startsWith('diff')) return end(1, 'diff\n');
    return end();
  }

  function docker(args: string[]): string {
    if (args[0] === 'build' && state.fail === 'build') return end(1);
    if (args[0] === 'save') writeFileSync(args[2] ?? '', args.slice(3).join(' '));
    if (args[0] === 'inspect') {
      const container = state.containers.find(({ id }) => id === args.at(-1));
      if (!container) return end(1);
      if (args.join(' ').includes('Config.Image')) return end(0, `${container.image}\n`);
      const sick = state.fail === 'unhealthy' && container.image !== state.good;
      return end(0, sick ? 'exited unhealthy\n' : 'running healthy\n');
    }
    if (args[0] === 'exec' && state.fail === 'direct') return end(1, 'smoke test failed\n');
    if (args[0] === 'rm') state.containers = state.containers.filter(({ id }) => !args.includes(id));
    return end();
  }

  function compose({ args, serverImage }: Asked): string {
    const verb = args.slice(1);
    const add = (count: number) => {
      while (state.containers.length < count)
        state.containers.push({ id: `c${++containers}`, image: serverImage });
    };
    if (verb[0] === 'build' && state.fail === 'build') return end(1);
    if (verb.join(' ') === 'up -d --wait') add(2);
    const scale = verb.find((arg) => arg.startsWith('server='));
    if (scale) add(Number(scale.slice('server='.length)));
    if (verb.join(' ') === 'ps -q server')
      return end(0, state.containers.map(({ id }) => `${id}\n`).join(''));
    if (verb[0] === 'run') {
      const { code, said } = task(serverImage, verb.at(-1) ?? '');
      return end(code, said);
    }
    if (verb[0] === 'config')
      return end(0, `    environment:\n      DB_URL: ${state.dbUrl}\n    mem_limit: 512m\n`);
    if (verb.includes('pg_dump')) return state.fail === 'dump' ? end(1) : end(0, 'the dump');
    const allGood = state.containers.every(({ image }) => image === state.good);
    if (verb.includes('smoke.mjs') && state.fail === 'smoke' && !allGood)
      return end(1, 'smoke test failed\n');
    if (verb.some((arg) => arg.endsWith('/reload.sh')) && state.fail === 'reload')
      return end(1, 'bad nginx.conf\n');
    return end();
  }

  function answer([asRoot = '', serverImage = '', input = '', name = '', ...args]: string[]): string {
    if (name === 'typed') {
      state.typed = args.join(' ');
      return end();
    }
    calls.push({ name, args, input });
    return programs[name]?.({ name, args, input, asRoot: asRoot !== '', serverImage }) ?? end(127);
  }

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (data) => {
      text += data;
      const words = text.split('\0').slice(0, -1);
      // The count of the words, three fields, the words.
      if (words.length === 4 + Number(words[0])) socket.end(answer(words.slice(1)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, script, state, calls };
}
