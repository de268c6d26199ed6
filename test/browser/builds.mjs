import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { entry } from './harness.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The program in a folder of its own, where the page that it serves can be exchanged: builds `old` and `new` differ as
 * two releases do.
 */
export async function makeBuilds() {
  const folder = mkdtempSync(join(tmpdir(), 'chat-builds-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const shown = join(folder, 'dist/static');
  cpSync(dirname(entry), join(folder, 'dist'), { recursive: true });
  for (const name of ['old', 'new']) {
    const source = join(folder, `source-${name}`);
    mkdirSync(source);
    for (const part of ['static', 'schemas'])
      cpSync(join(root, part), join(source, part), { recursive: true });
    await appendFile(
      join(source, 'static/app/main.tsx'),
      `\ndocument.documentElement.dataset.build = '${name}';\n`,
    );
    const { buildClient } = await import(pathToFileURL(join(source, 'static/build.mjs')).href);
    await buildClient(join(folder, name));
  }
  const show = (name) => {
    rmSync(shown, { recursive: true, force: true });
    cpSync(join(folder, name), shown, { recursive: true });
  };
  return {
    program: join(folder, 'dist/server.js'),
    show,
    /** As in the middle of an update: the page comes from an old server, everything else from a new one. */
    showMixed() {
      show('new');
      const old = join(folder, 'old');
      for (const file of readdirSync(old).filter((name) => name.startsWith('index.html')))
        cpSync(join(old, file), join(shown, file));
    },
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}
