import postgres from 'postgres';
import type { Sql } from '../../sql/handle.js';
import { ChatError } from '../errors.js';
import { type Asker, DeadlineError } from './lanes.js';

/** The code of an error of PostgreSQL or of the network; empty where it has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

/** Whether an error says that the server couldn't be reached or is not in a state to work, rather than that it refused. */
export function isUnavailable(error: unknown): boolean {
  return (
    error instanceof DeadlineError ||
    /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT|UNPROVEN|08|25006|53|57P|58)/.test(
      codeOf(error),
    )
  );
}

/** Whether PostgreSQL ended a transaction only so that others can go on: by a deadlock, or since it came too late. It may be repeated. */
export const gaveWay = (error: unknown): boolean => /^(40P01|40001)$/.test(codeOf(error));

/**
 * Whether an error says that what was asked has not happened: the statement never reached the server, or the server answered
 * that it failed. Only a session that ends may have committed before it says so.
 */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error);
  return (
    /^(ECONNREFUSED|CONNECT_TIMEOUT|CONNECTION_ENDED|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT|UNPROVEN|57P03)/.test(
      code,
    ) ||
    (error instanceof postgres.PostgresError && !/^(08|57P)/.test(code))
  );
}

/**
 * Asks for somebody outside, who waits.
 * @throws ChatError `overloaded` when the database can't answer now
 */
export async function within<T>(lanes: Asker, question: (sql: Sql) => Promise<T>): Promise<T> {
  try {
    return await lanes.ask(question);
  } catch (error) {
    if (isUnavailable(error))
      throw new ChatError('overloaded', 'the database cannot be reached now, try again');
    throw error;
  }
}
