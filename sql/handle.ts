import type postgres from 'postgres';

/** What every query function takes first: the pool, or the transaction that it must stay inside. */
export type Sql = postgres.ISql<{ bigint: number }>;

/** PostgreSQL's text form of an array of numbers: much cheaper to make than what the client does by itself. */
export const numbers = (values: readonly number[]): string => `{${values.join(',')}}`;

/** The same with NULL for what isn't there. */
export const numbersOrNull = (values: readonly (number | undefined)[]): string =>
  `{${values.map((value) => value ?? 'null').join(',')}}`;

/** PostgreSQL's text form of an array of strings (PostgreSQL manual, 8.15.2). */
export function strings(values: readonly string[]): string {
  if (values.length === 0) return '{}';
  const some = values.some((value) => NEEDS_ESCAPE.test(value));
  return `{"${(some ? values.map(escaped) : values).join('","')}"}`;
}
const escaped = (value: string) => value.replace(ESCAPED, '\\$&');
/** The same with NULL for what isn't there. */
export const stringsOrNull = (values: readonly (string | undefined)[]): string =>
  `{${values.map((value) => (value === undefined ? 'null' : `"${escaped(value)}"`)).join(',')}}`;
const NEEDS_ESCAPE = /["\\]/;
const ESCAPED = /["\\]/g;

/** Reads PostgreSQL's text form of an array of numbers. */
export const parseNumbers = (text: string): number[] =>
  text.length < 3 ? [] : text.slice(1, -1).split(',').map(Number);

/** A time in whole milliseconds since 1970, as dates have it: PostgreSQL knows microseconds, and a number has room for them. */
export const millis = (sql: Sql, time: postgres.PendingQuery<postgres.Row[]>) =>
  sql`(date_part('epoch', ${time}) * 1000000)::bigint / 1000`;
