import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';

const { newerCalls, newerStyles } = await import(new URL('../../static/check.mjs', import.meta.url).href);

/** The folder of a page that could be ours, in it `app.ts` and `app.css`. */
async function page(folder: string, script: string, style: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const compilerOptions = { target: 'ESNext', lib: ['ESNext', 'DOM'], types: [], strict: true, noEmit: true };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['app.ts'] }));
  await writeFile(join(folder, 'app.ts'), script);
  await writeFile(join(folder, 'app.css'), style);
  return folder;
}

t.test('calls and styles that a promised browser doesn’t know are found, with their place', async (t) => {
  const folder = await page(
    t.testdir({}),
    [
      'const list: readonly number[] = [2, 1];',
      'export const known = list.toSorted().at(-1);',
      'export const grouped = Object.groupBy(list, (n) => (n > 1 ? "a" : "b"));',
      'export const signal = AbortSignal.timeout(1);',
      'export const both = new Set(list).union(new Set([3]));',
      'class Mine { union() { return 1; } }',
      'export const own = new Mine().union();',
    ].join('\n'),
    'a { color: red; }\n@starting-style { a { color: red; } }\nb { anchor-name: --b; color: light-dark(red, blue); }',
  );
  const places = (found: string[]) =>
    found.map((line) => /app\.\w+:(\d+): ([\w.-]+):/.exec(line)?.slice(1).join(' '));
  t.same(places(newerCalls(join(folder, 'tsconfig.json'))), [
    '3 javascript.builtins.Object.groupBy',
    '4 api.AbortSignal.timeout_static',
    '5 javascript.builtins.Set.union',
  ]);
  const styles = places(newerStyles(folder));
  t.equal(styles.includes('2 css.at-rules.starting-style'), true);
  t.equal(styles.includes('3 css.properties.anchor-name'), true);
  t.equal(styles.includes('3 css.types.color.light-dark'), true);
  t.equal(
    styles.some((place) => place?.startsWith('1 ')),
    false,
  );
});
