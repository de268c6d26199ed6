import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { Config } from '../schemas/config.js';
import { build } from './helper.js';

const root = new URL('..', import.meta.url).pathname;
const readme = await readFile(join(root, 'README.md'), 'utf8');
const run = promisify(execFile);

t.test('the table of settings says what the schema says', async (t) => {
  const rows = Object.entries(Config.properties).map(
    ([name, { default: value, description }]) =>
      `| \`${name}\` | ${value === '' ? '' : `\`${value}\``} | ${description} |`,
  );
  const table = ['| name | default | what it is |', '| --- | --- | --- |', ...rows].join('\n');
  const stands = readme.split('<!-- settings -->\n')[1]?.split('\n<!-- /settings -->')[0];
  t.equal(stands, table);
});

t.test('the Chinese version has the same commands', async (t) => {
  const chinese = await readFile(join(root, 'README.zh-CN.md'), 'utf8');
  const blocks = (text: string) => [...text.matchAll(/```\w+\n.*?```/gs)].map(([block]) => block);
  t.strictSame(blocks(chinese), blocks(readme));
  t.match(readme, '](README.zh-CN.md)');
  t.match(chinese, '](README.md)');
});

t.test('the walk through does what it says', async (t) => {
  const server = await build(t);
  const folder = await mkdtemp(join(tmpdir(), 'chat-readme-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const walk = readme.split('## A walk through')[1]?.split('\n## ')[0] ?? '';
  const blocks = [...walk.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));
  let script = `cd ${folder} && ln -s ${root}node_modules node_modules\n`;
  const expected: unknown[] = [];
  for (const { language, text } of blocks) {
    if (language === 'sh') script += `${text}echo\n`;
    else expected.push(JSON.parse(text));
  }
  t.equal(expected.length, 4);
  const { stdout } = await run('bash', [
    '-euc',
    script.replaceAll('localhost:8080', `127.0.0.1:${server.port}`),
  ]);
  const answers = stdout.split('\n').filter((line) => line.startsWith('{'));
  const plain = (value: unknown) =>
    JSON.parse(JSON.stringify(value).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'a point in time'));
  t.strictSame(
    answers.map((line) => plain(JSON.parse(line))),
    expected.map(plain),
  );
});
