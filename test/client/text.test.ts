import { readFile } from 'node:fs/promises';
import t from 'tap';
import * as server from '../../routes/ws/content.js';
import { looksProblem } from '../../schemas/name.js';
import { PASSWORD_BYTES, USERNAME_LENGTH } from '../../schemas/user.js';
import { mistakeIn, nameLength, passwordBytes, passwordMistake } from '../../static/app/account.js';
import { backoff } from '../../static/app/backoff.js';
import { parse } from '../../static/app/markup.js';
import {
  bytes,
  clean,
  emojiCount,
  initials,
  isRtl,
  oneLine,
  shortened,
  trimmed,
} from '../../static/app/text.js';

t.test('length is counted in bytes, and what is sent is what the server would store', async (t) => {
  t.equal(bytes('好é𝄞'), 3 + 2 + 4);
  t.equal(clean('  a\0b \n'), 'ab');
  t.equal(clean('x\ud800y'), 'x\ufffdy', 'half a pair becomes a sign that can be stored');
});

t.test('initials stand for a name in any script', async (t) => {
  t.equal(initials('ana lima'), 'AL');
  t.equal(initials('王小明'), '王');
  t.equal(initials('bob'), 'B');
  t.equal(initials('👩🏽‍🚀 crew'), '👩🏽‍🚀');
  t.equal(initials(''), '?');
});

t.test('only emoji are large, and a digit is none', async (t) => {
  t.equal(emojiCount('🎉'), 1);
  t.equal(emojiCount('👩‍👩‍👧‍👦 🇩🇪 👍🏽'), 3);
  t.equal(emojiCount('1️⃣'), 1);
  t.equal(emojiCount('12'), 0);
  t.equal(emojiCount('ok 🎉'), 0);
});

t.test('direction comes from the first letter', async (t) => {
  t.equal(isRtl('… שלום'), true);
  t.equal(isRtl('hello שלום'), false);
});

t.test('links end where the sentence goes on', async (t) => {
  const links = (text: string) => parse(text).flatMap((piece) => (piece.kind === 'link' ? [piece.href] : []));
  t.same(links('see https://a.example/x, and (http://b.example/y_(z)).'), [
    'https://a.example/x',
    'http://b.example/y_(z)',
  ]);
  t.same(links('javascript:alert(1) ftp://a.example'), []);
  t.same(links('看https://a.example/x你好'), ['https://a.example/x']);
  t.same(links('https://a.example：说明'), ['https://a.example']);
  t.same(links('https://a.example/日本'), ['https://a.example/']);
  t.same(links('https://de.example/Köln https://ru.example/Москва'), [
    'https://de.example/Köln',
    'https://ru.example/Москва',
  ]);
  t.same(links('https://a.example/x\u202egpj.exe'), ['https://a.example/xgpj.exe'], 'letter by letter');
  t.same(links('https://a.example/\u2066x'), ['https://a.example/'], 'nothing that is not seen');
});

t.test('what begins with www. and mail addresses are links, too', async (t) => {
  const links = (text: string) => parse(text).flatMap((piece) => (piece.kind === 'link' ? [piece] : []));
  t.same(links('at www.example.org/x, or ask ana.lima@example.org.'), [
    { kind: 'link', text: 'www.example.org/x', href: 'https://www.example.org/x' },
    { kind: 'link', text: 'ana.lima@example.org', href: 'mailto:ana.lima@example.org' },
  ]);
  t.same(links('www. wwww.example.org www.x a@b @example.org me@-x.org a@b.c@d.ef'), []);
});

t.test('code keeps what is in it', async (t) => {
  t.same(parse('a `x < y` b'), [
    { kind: 'text', text: 'a ' },
    { kind: 'code', text: 'x < y' },
    { kind: 'text', text: ' b' },
  ]);
  t.same(parse('```ts\nconst a = 1;\n```'), [{ kind: 'block', text: 'const a = 1;' }]);
  t.same(parse('`'), [{ kind: 'text', text: '`' }]);
  t.same(parse('```c++\nint a;\n```'), [{ kind: 'block', text: 'int a;' }]);
  t.same(parse('```js\nconst a = `b`;\n```\nand'), [
    { kind: 'block', text: 'const a = `b`;' },
    { kind: 'text', text: 'and' },
  ]);
  t.same(parse('````\n```\nx\n```\n````'), [{ kind: 'block', text: '```\nx\n```' }]);
  t.same(parse('``a ` b``'), [{ kind: 'code', text: 'a ` b' }]);
  t.same(parse('```not closed'), [{ kind: 'text', text: '```not closed' }]);
  t.same(parse('`a\nb`'), [{ kind: 'text', text: '`a\nb`' }]);
  t.same(parse('```\n    deep\n  less\n```'), [{ kind: 'block', text: '    deep\n  less' }]);
});

t.test('nothing turns the reading direction by force', async (t) => {
  t.same(parse('photo\u202egpj.exe'), [{ kind: 'text', text: 'photogpj.exe' }]);
  t.same(parse('`a\u202db`'), [{ kind: 'code', text: 'ab' }]);
  t.equal(oneLine('photo\u202egpj.exe\u2066'), 'photogpj.exe');
});

t.test('a text is cut between characters, as a reader counts them', async (t) => {
  t.equal(shortened('short', 5), 'short');
  t.equal(shortened('longer', 5), 'longe…');
  t.equal(shortened(`${'a'.repeat(9)}👩‍👩‍👧‍👦!`, 12), `${'a'.repeat(9)}…`);
  t.equal(oneLine(`${'a'.repeat(159)}👍🏽👍🏽`), `${'a'.repeat(159)}…`);
  t.equal(oneLine(`a${' '.repeat(998)}👍`), 'a');
});

t.test('white space around a text goes, but not what indents the first of several lines', async (t) => {
  for (const [raw, kept] of [
    ['  a ', 'a'],
    ['\n\n    if (x)\n      y;\n\n', '    if (x)\n      y;'],
    ['\tif (x)\r\n\t\ty;', '\tif (x)\r\n\t\ty;'],
    [' \n ', ''],
    ['a\n b', 'a\n b'],
    [' a\n b', 'a\n b'],
    ['\n \t a\nb', ' \t a\nb'],
  ] as const) {
    t.equal(trimmed(raw), kept);
    t.equal(server.trimmed(raw), kept, 'the server does the same');
  }
});

t.test('the longest message of any kind is parsed at once', async (t) => {
  const runs = Array.from({ length: 170 }, (_, n) => '`'.repeat(n + 1)).join(' ');
  const units = ['`', '``` ', '`a\n', 'http://', 'https://a.example/(', '. ', '<', 'a@', 'www.', 'a.b-'];
  const whole = ['https://a.example/', 'https://a.example/x@', '```'].map(
    (start) => `${start}${'.,)'.repeat(5_000)}x`,
  );
  const texts = [runs, ...whole, ...units.map((unit) => unit.repeat(Math.floor(16_384 / unit.length)))];
  for (const text of texts) {
    // Ten times the longest, by the processor's time, since a machine may be busy: what grew by the square would take minutes.
    const start = process.cpuUsage();
    parse(text.repeat(10));
    t.ok(process.cpuUsage(start).user < 3_000_000, text.slice(0, 30));
  }
  for (const text of [`${'\t'.repeat(60_000)}\u3000a\nb`, `${' '.repeat(60_000)}\na`]) {
    const start = process.cpuUsage();
    trimmed(text);
    t.ok(process.cpuUsage(start).user < 3_000_000);
  }
  t.equal(oneLine('a\n\n b `c`'), 'a b c');
});

t.test('waits grow, differ, end somewhere and are never nothing', async (t) => {
  t.equal(
    backoff(0, () => 0),
    300,
  );
  t.equal(
    backoff(0, () => 1),
    1000,
  );
  t.equal(
    backoff(3, () => 1),
    5900,
  );
  t.equal(
    backoff(99, () => 1),
    30_300,
  );
});

t.test('mistakes are found before the server finds them, by its own measures', async (t) => {
  t.equal(nameLength, USERNAME_LENGTH);
  t.equal(passwordBytes, PASSWORD_BYTES);
  t.equal(passwordMistake(' \t ')?.key, 'passwordMissing');
  t.equal(passwordMistake('e\u0301'.repeat(36)), null, 'as it is hashed');
  t.equal(passwordMistake('é'.repeat(37))?.key, 'passwordLong');
  t.equal(mistakeIn('', 'x')?.key, 'usernameMissing');
  t.equal(mistakeIn('👍'.repeat(64), 'x'), null);
  t.equal(mistakeIn('👍'.repeat(65), 'x')?.key, 'usernameLong');
  t.equal(mistakeIn('a', '  ')?.key, 'passwordMissing');
  t.equal(mistakeIn('a', 'é'.repeat(36)), null);
  t.same(mistakeIn('a', 'é'.repeat(37))?.values, { max: 72, n: 74 });
});

t.test('nobody can be called what the page calls somebody', async (t) => {
  for (const language of ['en', 'zh']) {
    const file = new URL(`../../static/app/i18n/${language}.ts`, import.meta.url);
    const names = [...(await readFile(file, 'utf8')).matchAll(/^ {2}(?:deletedUser|me|self): '(.*)',$/gm)];
    t.equal(names.length, 3);
    for (const [, name = ''] of names) t.equal(looksProblem(name), 'username_reserved', name);
  }
});
