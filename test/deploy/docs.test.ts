/** deploy/README.md: that its commands can be read by a shell, and that what it names is there. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { execute } from '../nodes/process.js';
import { read, root } from './validators.js';

const text = await read('deploy/README.md');
const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map((match) => match[1] ?? '');

t.test('every command is one that a shell can read', async (t) => {
  t.ok(blocks.length > 20);
  for (const block of blocks) {
    const filled = block.replace(/<[a-z ]+>/g, 'x');
    await t.resolves(execute('bash', ['-n', '-c', filled]), block);
  }
});

t.test('every file and every place in the text that it names is there', (t) => {
  const places = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const [, link = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
    if (link.startsWith('#')) t.ok(places.includes(link.slice(1)), link);
    else t.ok(existsSync(join(root, 'deploy', link)), link);
  }
  for (const [path] of text.matchAll(/\bdeploy\/[\w./-]+\.(sh|yaml|conf|env)\b/g)) {
    if (path !== 'deploy/nginx.tls.conf') t.ok(existsSync(join(root, path)), path);
  }
  t.end();
});

t.test('a server is given the same memory on every way, and the table says how much', async (t) => {
  const number = /--memory (\d+)m/.exec(text)?.[1];
  t.match(text, `| ${number} MB of memory`);
  t.match(await read('compose.yaml'), `mem_limit: \${SERVER_MEMORY:-${number}m}`);
  t.match(await read('deploy/k3s/server.yaml'), `memory: ${number}Mi`);
});

t.test('every setting that it names is one that something reads', async (t) => {
  const files = [
    'compose.yaml',
    'deploy/k3s-deploy.sh',
    'deploy/over-ssh.sh',
    'deploy/compose-deploy.sh',
    'schemas/config.ts',
    '.env.example',
  ];
  const known = (await Promise.all(files.map(read))).join('\n');
  const names = new Set([...text.matchAll(/\b[A-Z]+_[A-Z_]+\b/g)].map(([name]) => name));
  t.ok(names.size > 15);
  for (const name of names) t.ok(known.includes(name), name);
});

t.test(
  '.env.example has every setting that compose.yaml asks for without a default, and none that it ignores',
  async (t) => {
    const compose = (await read('compose.yaml')) + (await read('deploy/compose.tls.yaml'));
    const example = await read('.env.example');
    const set = [...example.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name = '']) => name);
    for (const [, name = ''] of compose.matchAll(/\$\{(\w+):\?/g)) t.ok(set.includes(name), name);
    for (const name of set) {
      if (name !== 'COMPOSE_FILE') t.ok(compose.includes(`\${${name}:`), name);
    }
  },
);
