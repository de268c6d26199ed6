/** The Containerfile, parsed. test/deploy/try-image.sh builds it for real. */
import t from 'tap';
import { type Instruction, parseContainerfile, read } from './validators.js';

interface Stage {
  name: string;
  base: string;
  instructions: Instruction[];
}

async function stages(): Promise<Map<string, Stage>> {
  const found = new Map<string, Stage>();
  let current: Stage | undefined;
  for (const instruction of await parseContainerfile(await read('Containerfile'))) {
    const text = instruction.getArgumentsContent() ?? '';
    if (instruction.getKeyword() === 'FROM') {
      const [, base = '', name = ''] = /^(\S+) AS (\S+)$/.exec(text) ?? [];
      current = { name, base, instructions: [] };
      found.set(name, current);
    } else current?.instructions.push(instruction);
  }
  return found;
}

const all = (stage: Stage | undefined, keyword: string) =>
  (stage?.instructions ?? [])
    .filter((instruction) => instruction.getKeyword() === keyword)
    .map((instruction) => {
      const text = (instruction.getArgumentsContent() ?? '').replace(/\s*\\?\n\s*|\s+/g, ' ');
      return [...(instruction.getFlags?.() ?? []), text].join(' ');
    });

t.test('it has the stages that the scripts name, and the server is the default', async (t) => {
  const found = await stages();
  t.strictSame([...found.keys()], ['build', 'dependencies', 'web', 'server']);
  t.strictSame(
    [...found.values()].map(({ base }) => base),
    [`$\{NODE_IMAGE}`, `$\{NODE_IMAGE}`, `$\{NGINX_IMAGE}`, `$\{NODE_IMAGE}`],
  );
});

t.test(
  'every instruction is known, and every line that runs something is an exec form or a plain RUN',
  async (t) => {
    const known =
      'ARG FROM WORKDIR COPY RUN USER EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT LABEL ENV VOLUME'.split(' ');
    for (const instruction of await parseContainerfile(await read('Containerfile'))) {
      t.ok(known.includes(instruction.getKeyword()), instruction.getKeyword());
    }
  },
);

t.test('what runs is what the lock file says, without development packages or install scripts', async (t) => {
  const found = await stages();
  t.strictSame(all(found.get('dependencies'), 'RUN'), ['npm ci --ignore-scripts --omit=dev']);
  t.strictSame(all(found.get('build'), 'RUN'), ['npm ci --ignore-scripts', 'npm run build']);
  t.strictSame(all(found.get('server'), 'COPY'), [
    '--from=dependencies /src/node_modules ./node_modules',
    '--from=build /src/dist ./dist',
    'package.json LICENSE deploy/smoke.mjs ./',
  ]);
});

t.test('neither image runs as root, and each process is the first one and gets the signals', async (t) => {
  const found = await stages();
  t.strictSame(all(found.get('server'), 'USER'), ['1000:1000']);
  // The flags only work where they stand, on the command line (the embedded database's thread takes them from there).
  t.strictSame(all(found.get('server'), 'ENTRYPOINT'), [
    '["node", "--liftoff-only", "--max-old-space-size=160", "--max-semi-space-size=4", "--enable-source-maps", "dist/server.js"]',
  ]);
  t.strictSame(all(found.get('server'), 'STOPSIGNAL'), ['SIGTERM']);
  t.strictSame(all(found.get('web'), 'USER'), ['101:101']);
  t.strictSame(all(found.get('web'), 'ENTRYPOINT'), ['["nginx", "-g", "daemon off;"]']);
  t.strictSame(all(found.get('web'), 'STOPSIGNAL'), ['SIGQUIT']);
});

t.test('with nothing set, the server listens to all and keeps its data in the volume', async (t) => {
  const server = (await stages()).get('server');
  t.strictSame(all(server, 'ENV'), ['NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data']);
  t.strictSame(all(server, 'VOLUME'), ['/data']);
  t.match(all(server, 'HEALTHCHECK'), [/--interval=5s .*CMD \["node", "-e", ".*\/readyz.*"\]/]);
});

t.test('the build sees no secret, no test and no installed package', async (t) => {
  const ignored = (await read('.dockerignore')).split('\n');
  for (const name of ['.git', '.env', '.env.*', '**/node_modules', 'dist', 'data', 'test']) {
    t.ok(ignored.includes(name), name);
  }
});
