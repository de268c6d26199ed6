import t from 'tap';
import { PASSWORD_BYTES, USERNAME_LENGTH } from '../../schemas/user.js';
import { mistakeIn, nameLength, passwordBytes } from '../../static/app/account.js';
import { backoff } from '../../static/app/backoff.js';
import { oneLine, parse } from '../../static/app/markup.js';
import { bytes, clean, emojiCount, initials, isRtl } from '../../static/app/text.js';

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
  t.same(links('看https://a.example/路径。好'), ['https://a.example/路径']);
});

t.test('code keeps what is in it', async (t) => {
  t.same(parse('a `x < y` b'), [
    { kind: 'text', text: 'a ' },
    { kind: 'code', text: 'x < y' },
    { kind: 'text', text: ' b' },
  ]);
  t.same(parse('```ts\nconst a = 1;\n```'), [{ kind: 'block', text: 'const a = 1;' }]);
  t.same(parse('`'), [{ kind: 'text', text: '`' }]);
});

t.test('the longest message of any kind is parsed at once', async (t) => {
  for (const unit of ['`', '``` ', 'http://', 'https://a.example/(', '. ', '<']) {
    const text = unit.repeat(Math.floor(16_384 / unit.length));
    const start = performance.now();
    parse(text);
    t.ok(performance.now() - start < 500, unit);
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
  t.equal(mistakeIn('', 'x')?.key, 'usernameMissing');
  t.equal(mistakeIn('👍'.repeat(64), 'x'), null);
  t.equal(mistakeIn('👍'.repeat(65), 'x')?.key, 'usernameLong');
  t.equal(mistakeIn('a', '  ')?.key, 'passwordMissing');
  t.equal(mistakeIn('a', 'é'.repeat(36)), null);
  t.same(mistakeIn('a', 'é'.repeat(37))?.values, { max: 72, n: 74 });
});
