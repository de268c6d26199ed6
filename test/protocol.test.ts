import { readdir, readFile } from 'node:fs/promises';
import t from 'tap';

const folder = new URL('.', import.meta.url);

/** The rules of schemas/PROTOCOL.md, in order. */
async function rules(): Promise<string[]> {
  const text = await readFile(new URL('../schemas/PROTOCOL.md', folder), 'utf8');
  return [...text.matchAll(/^- \*\*\[([A-Z]\d+)\]\*\*/gm)].map((match) => match[1] ?? '');
}

/** The rules that names of tests begin with, and the file of each. */
async function proofs(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    if (!name.endsWith('.test.ts') || name.includes('node_modules')) continue;
    const text = await readFile(new URL(name, folder), 'utf8');
    for (const [, rule = ''] of text.matchAll(/\btest\(\s*['"`]\[([A-Z]\d+)\] /g))
      found.set(rule, [...(found.get(rule) ?? []), name]);
  }
  return found;
}

t.test('the numbers of rules are given once, and in order', async (t) => {
  const all = await rules();
  t.ok(all.length > 30);
  t.equal(new Set(all).size, all.length);
  const last = new Map<string, number>();
  for (const rule of all) {
    const [letter = '', number] = [rule.slice(0, 1), Number(rule.slice(1))];
    t.equal(number, (last.get(letter) ?? 0) + 1, rule);
    last.set(letter, number);
  }
});

t.test('every rule is proved by a test that begins with its number', async (t) => {
  const proved = await proofs();
  t.strictSame(
    (await rules()).filter((rule) => !proved.has(rule)),
    [],
  );
});

t.test('no test names a rule that is not there', async (t) => {
  const known = new Set(await rules());
  t.strictSame(
    [...(await proofs())].filter(([rule]) => !known.has(rule)),
    [],
  );
});
