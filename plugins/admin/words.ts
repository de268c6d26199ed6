import { parseArgs } from 'node:util';
import { ChatError } from '../errors.js';
import { type Desk, type Given, Misuse, plain, type Verb, whole } from './verb.js';
import { VERBS } from './verbs.js';

/** What was answered: lines for people, and whether it is what was asked for. */
export interface Answer {
  ok: boolean;
  lines: string[];
}

const OPTIONS = {
  id: { type: 'string' },
  after: { type: 'string' },
  before: { type: 'string' },
  limit: { type: 'string' },
  uses: { type: 'string' },
  hours: { type: 'string' },
  messages: { type: 'boolean' },
  end: { type: 'boolean' },
  yes: { type: 'boolean' },
} as const;

/**
 * What can be done, each verb with an example.
 * @param begin how the program is called
 */
export function help(begin: string): string[] {
  const all = Object.entries(VERBS).flatMap(([group, verbs]) =>
    Object.entries(verbs).map(([name, verb]) => ({ ...verb, name: [group, name].join(' ').trim() })),
  );
  return [
    `${begin} VERB …: looks after accounts. \`--id 5\` in place of a name means that number; \`users\` may be left out.`,
    ...all.flatMap(({ name, form, does, example }) => [
      '',
      `${name} ${form}`.trim(),
      `    ${does}`,
      `    ${begin} ${name} ${example}`.trimEnd(),
    ]),
  ];
}

/** @throws Misuse */
function parse(words: string[]): { verb: Verb; given: Given } {
  let parsed: ReturnType<typeof read>;
  try {
    parsed = read(words);
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  const [first = '', ...rest] = positionals;
  const isGroup = Object.hasOwn(VERBS, first);
  const verbs = VERBS[isGroup ? first : 'users'] ?? {};
  const names = isGroup ? rest : positionals;
  const alone = verbs[''];
  const name = names[0] ?? '';
  const verb = alone ?? (Object.hasOwn(verbs, name) ? verbs[name] : undefined);
  if (verb === undefined)
    throw new Misuse(`There is no verb ${plain(positionals.join(' '))}; --help lists all.`);
  const [word, ...behind] = alone ? names : names.slice(1);
  const [second, ...others] = verb.second ? behind : [undefined, ...behind];
  if (others.length > 0 || (word !== undefined && verb.word !== true))
    throw new Misuse(
      `${plain(others[0] ?? word ?? '')} is too much: ${verb.form || 'nothing stands behind it'}.`,
    );
  for (const option of Object.keys(values))
    if (!verb.options?.some((one) => one === option))
      throw new Misuse(`--${option} means nothing there: ${verb.form}.`);
  return {
    verb,
    given: {
      word,
      second,
      is: (option) => values[option] === true,
      number(option, most = Number.MAX_SAFE_INTEGER) {
        const text = values[option];
        if (text === undefined) return undefined;
        const value = whole(text, most);
        if (value === undefined)
          throw new Misuse(`--${option} ${plain(text)}: it should be a whole number from 1 to ${most}.`);
        return value;
      },
    },
  };
}

const read = (args: string[]) => parseArgs({ args, options: OPTIONS, allowPositionals: true });

/** Does what somebody typed who runs the server. @param words what stands behind the program */
export async function runVerb(words: string[], desk: Desk): Promise<Answer> {
  try {
    const { verb, given } = parse(words);
    return { ok: true, lines: await verb.run(desk, given) };
  } catch (error) {
    if (error instanceof Misuse || error instanceof ChatError)
      return { ok: false, lines: error.message.split('\n') };
    throw error;
  }
}
