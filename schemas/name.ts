import unhomoglyph from 'unhomoglyph';

// Names that people can't tell apart, by Unicode Technical Standard 39. The confusables are those of Unicode 13, by `unhomoglyph`
// (MIT; the data under Unicode's licence). Skeletons are stored: with other data, those that are there have to be made again.

const IGNORABLE = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * What a name looks like: two with the same skeleton can't be told apart. For comparing only.
 * Case is folded between two passes, since a name is one in any case: M is m, which is rn.
 */
export function skeleton(name: string): string {
  const pass = (text: string) => unhomoglyph(text.normalize('NFD')).normalize('NFD');
  const shown = name.normalize('NFKC').replace(IGNORABLE, '').trim().replace(/\s+/gu, ' ');
  return pass(pass(shown).toLowerCase());
}

/** Scripts in use today (Unicode Standard Annex 31, table 5), by their codes. */
const SCRIPTS = (
  'Arab Armn Beng Bopo Cyrl Deva Ethi Geor Grek Gujr Guru Hang Hani Hebr Hira Kana Khmr Knda Laoo Latn Mlym Mymr Orya Sinh ' +
  'Taml Telu Thaa Thai Tibt'
)
  .split(' ')
  .map((code) => ({ code, has: new RegExp(`\\p{Script_Extensions=${code}}`, 'u') }));
/** In use with any script. */
const COMMON = /[\p{Script_Extensions=Common}\p{Script_Extensions=Inherited}]/u;
/** Writing systems of several scripts: Japanese, Korean, and Chinese with its phonetic letters. */
const SYSTEMS: Record<string, string[]> = {
  Hani: ['Jpan', 'Kore', 'Hanb'],
  Hira: ['Jpan'],
  Kana: ['Jpan'],
  Hang: ['Kore'],
  Bopo: ['Hanb'],
};
/** Their letters look like Latin ones. */
const LIKE_LATIN = ['Cyrl', 'Grek', 'rare'];

/** The scripts and writing systems that a character belongs to; `rare` stands for all that few people use. */
function scriptsOf(character: string): string[] {
  const codes = SCRIPTS.filter(({ has }) => has.test(character)).map(({ code }) => code);
  if (codes.length === 0) return ['rare'];
  return codes.flatMap((code) => [code, ...(SYSTEMS[code] ?? [])]);
}

/** Whether a name mixes scripts more than is "moderately restrictive" (5.2): one, or Latin and another that doesn't look like it. */
function isMixed(name: string): boolean {
  const all = [...name].filter((character) => !COMMON.test(character)).map(scriptsOf);
  const others = all.filter((scripts) => !scripts.includes('Latn'));
  const shared = (others[0] ?? []).filter((script) => others.every((scripts) => scripts.includes(script)));
  if (others.length === 0) return false;
  if (others.length === all.length) return shared.length === 0;
  return shared.every((script) => LIKE_LATIN.includes(script));
}

/**
 * What the page and the server call somebody where there is no name, in all languages of the page, and who speaks for the server.
 * A name may not look like one, nor begin like one of `STAND_INS`.
 */
const STAND_INS = ['deleted user', '已删除的用户'].map(skeleton);
const OFFICES = [
  ...['You', 'Notes to yourself', '你', '给自己的备忘'],
  ...['admin', 'administrator', 'moderator', 'root', 'support', 'system', '管理员', '客服', '系统'],
].map(skeleton);
/** A number in place of a name. */
const NUMBER = /^#\d+$/;

/**
 * Why nobody may take a name for how it looks; names from before may be anything.
 * @param name trimmed and in NFC
 */
export function looksProblem(name: string): 'username_mixed' | 'username_reserved' | undefined {
  if (isMixed(name)) return 'username_mixed';
  if (NUMBER.test(name.normalize('NFKC'))) return 'username_reserved';
  // A capital I looks like another letter than a small one.
  for (const looks of [skeleton(name), skeleton(name.toLowerCase())])
    if (OFFICES.includes(looks) || STAND_INS.some((word) => looks.startsWith(word)))
      return 'username_reserved';
  return undefined;
}
