// Makes app/emoji.txt, the table of the emoji picker: `node static/emoji.mjs FOLDER`, where the package `emojibase-data` was unpacked.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Fonts know newer ones only after years. */
const unicode = 15.1;
/** Parts of others, as tones of skin. */
const components = 2;
const tagsAtMost = 4;
const [, , folder = '.'] = process.argv;
const read = async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'));
const [english, chinese, { name, version, license }] = await Promise.all([
  read('en/data.json'),
  read('zh/data.json'),
  read('package.json'),
]);
const names = new Map(chinese.map((emoji) => [emoji.hexcode, emoji]));
const one = /^\p{RGI_Emoji}$/v;
/** Men and women where there is a person who is neither: the table has each once. */
const variant = /^(wo)?man |^(wo)?men |family: |: (wo)?man|(boy|girl)$/;

function words({ label, tags = [] }) {
  const said = label
    .replaceAll(/[:：,，]/g, ' ')
    .replaceAll(/ +/g, ' ')
    .trim();
  const more = tags.filter((tag) => !said.toLowerCase().includes(tag.toLowerCase()));
  return [said, ...more.slice(0, tagsAtMost)].join(',');
}

const groups = new Map();
for (const emoji of english.sort((a, b) => a.order - b.order)) {
  const { group, version: since, label, hexcode } = emoji;
  if (group === undefined || group === components || since > unicode) continue;
  // A sign that is a picture by itself needs no selector.
  const sign = one.test(emoji.emoji) ? emoji.emoji : emoji.emoji.replace(/\ufe0f$/, '');
  if (!one.test(sign) || (variant.test(label) && sign.includes('\u200d'))) continue;
  const lines = groups.get(group) ?? [];
  groups.set(group, [...lines, `${sign}\t${words(emoji)}\t${words(names.get(hexcode))}`]);
}
const head = `# Names by Unicode CLDR (unicode.org/license.txt), put together by ${name} ${version} (${license}, Copyright Miles Johnson); made by static/emoji.mjs.`;
const table = [...groups.values()].map((lines) => lines.join('\n')).join('\n\n');
await writeFile(join(import.meta.dirname, 'app/emoji.txt'), `${head}\n${table}\n`);
