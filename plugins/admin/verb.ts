import type { Sql } from '../../sql/handle.js';
import { findByName, findPerson } from '../../sql/users.js';
import type { Accounts } from '../accounts.js';

/** What the verbs work on: a running server, or the database that servers are on. */
export interface Desk {
  accounts: Accounts;
  ask<T>(question: (sql: Sql) => Promise<T>): Promise<T>;
  /** What it all runs on, and whether that works: a line for each. */
  state(): Promise<{ works: boolean; lines: string[] }>;
}

/** What was typed can't be done: a sentence. */
export class Misuse extends Error {
  override name = 'Misuse';
}

type Flag = 'messages' | 'end' | 'yes';
type Count = 'id' | 'after' | 'before' | 'limit' | 'uses' | 'hours';

/** What stands behind a verb. */
export interface Given {
  word: string | undefined;
  second: string | undefined;
  is(option: Flag): boolean;
  /** @throws Misuse where it isn't a whole number from 1 to `most` */
  number(option: Count, most?: number): number | undefined;
}

export interface Verb {
  /** What stands behind it, and an example. */
  form: string;
  does: string;
  example: string;
  /** Whether it takes a word, and another one. */
  word?: boolean;
  second?: boolean;
  options?: (Flag | Count)[];
  run(desk: Desk, given: Given): Promise<string[]>;
}

/** A name of before may have anything in it, and a terminal does what it is told. */
export const plain = (text: string) => text.replace(/[\p{C}\u2028\u2029]/gu, '?');
export const day = (at: Date | null) => at?.toISOString().slice(0, 10) ?? 'before that was noted';
export const whom = (user: { user_id: number; username: string }) =>
  `${plain(user.username)} (#${user.user_id})`;
export const PAGE = 50;
/** Where a list goes on. */
export const more = (rows: unknown[], limit: number, option: string, last: number | undefined) =>
  rows.length < limit || last === undefined ? [] : [`… more: --${option} ${last}`];

/** The user that a name or `--id` means. @throws Misuse */
export async function meant(
  desk: Desk,
  { word, number }: Pick<Given, 'word' | 'number'>,
): Promise<{ user_id: number; username: string }> {
  const id = number('id');
  if ((word === undefined) === (id === undefined)) throw new Misuse('Say whom: by name, or by --id.');
  if (id !== undefined) {
    const found = await desk.ask((sql) => findPerson(sql, id));
    if (found === undefined) throw new Misuse(`There is no user #${id}.`);
    return found;
  }
  const name = (word ?? '').trim().normalize('NFC');
  const found = name.includes('\0') ? undefined : await desk.ask((sql) => findByName(sql, name));
  if (found === undefined) throw new Misuse(`There is no user ${plain(name)}.`);
  return found;
}

/** A whole number from 1 on. */
export function whole(text: string, most: number): number | undefined {
  const value = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : 0;
  return value > 0 && value <= most ? value : undefined;
}
