/** Many visits, some at a time: every combination of a stage and a manner comes as often as any other, in drawn order. */
import { type Random, random } from '../fault/random.js';
import { MANNERS, type MannerName } from './manners.js';
import type { Account } from './peer.js';
import { STAGES, type StageName } from './stages.js';
import { type Combination, type Place, type Visit, visit } from './visit.js';

export interface Crowd extends Place {
  seed: number;
  /** Connections at a time. */
  connections: number;
  /** Nobody else may speak for these: a user has one connection. */
  accounts: readonly Account[];
  /** Milliseconds over which the first ones come. */
  arrivalMs: number;
}

const keys = <K extends string>(table: Record<K, unknown>): K[] =>
  Object.keys(table).filter((key): key is K => key in table);

/** Every stage with every manner; `only` is a part of a name, such as `body`, or `synced, resets`. */
export function combinations(only = ''): Combination[] {
  const all = keys<StageName>(STAGES).flatMap((stage) =>
    keys<MannerName>(MANNERS).map((manner) => ({ stage, manner })),
  );
  return all.filter(({ stage, manner }) => `${stage}, ${manner}`.includes(only));
}

/**
 * Linux has a whole network on its loopback: peers come from several addresses, none of them the polite ones', since a server may
 * turn away an address that has many connections and no token on them.
 */
const addressOf = (draw: Random): string | undefined =>
  process.platform === 'linux' ? `127.0.0.${draw.int(2, 9)}` : undefined;

/**
 * Makes visits until `next` has none.
 * @param told each visit as it ends
 */
export async function crowd(
  options: Crowd,
  next: () => Combination | undefined,
  told: (visit: Visit) => void,
): Promise<void> {
  const draws = random(options.seed);
  const free = [...options.accounts];
  let count = 0;
  const seat = async (wait: number) => {
    await new Promise((resolve) => setTimeout(resolve, wait));
    for (;;) {
      const combination = next();
      const account = free.shift();
      if (combination === undefined || account === undefined) return;
      const draw = draws.fork(`visit ${count++}`);
      told(await visit(options, combination, { from: addressOf(draw), account, draw }));
      free.push(account);
    }
  };
  await Promise.all(Array.from({ length: options.connections }, () => seat(draws.int(0, options.arrivalMs))));
}

/** Combinations one after the other, each as often as the others: all of them in an order of its own, again and again. */
export function turns(seed: number, list: readonly Combination[]): () => Combination {
  const draw = random(seed).fork('order');
  let left: Combination[] = [];
  return () => {
    if (left.length === 0) left = draw.shuffle(list);
    const combination = left.pop();
    if (combination === undefined) throw new Error('there is no such combination');
    return combination;
  };
}
