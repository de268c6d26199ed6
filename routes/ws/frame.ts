import type { Static, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import type { FastifyBaseLogger } from 'fastify';
import type { Connection } from '../../plugins/connection/connection.js';
import { ChatError, toChatError } from '../../plugins/errors.js';
import { explain } from '../../plugins/validator.js';

/** A row of a dispatch table: checks a frame of one type and handles it. */
export type FrameHandler<C> = (connection: C, frame: object) => void | Promise<void>;

/** Makes a row from a frame's schema and what is to be done with it. */
export function row<C, T extends TSchema>(
  schema: T,
  handle: (connection: C, frame: Static<T>) => void | Promise<void>,
): FrameHandler<C> {
  const check = TypeCompiler.Compile(schema);
  return (connection, frame) => {
    if (check.Check(frame)) return handle(connection, frame);
    const first = check.Errors(frame).First();
    const problem = first === undefined ? '' : `${first.path.slice(1)} ${explain(first)}`;
    throw new ChatError('bad_request', `bad frame: ${problem}`);
  };
}

/**
 * Reads a frame.
 * @throws ChatError `bad_request` for what is no JSON object
 */
function readFrame(data: Buffer): object {
  let frame: unknown;
  try {
    frame = JSON.parse(data.toString());
  } catch {
    throw new ChatError('bad_request', 'bad frame: not JSON');
  }
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame))
    throw new ChatError('bad_request', 'bad frame: not a JSON object');
  return frame;
}

/**
 * Finds the row of a frame by its type.
 * @throws ChatError `unsupported_type`; `bad_request` for a type that is no string
 */
function rowOf<C>(table: Map<string, FrameHandler<C>>, frame: object): FrameHandler<C> {
  const type = 'type' in frame ? (frame.type ?? '') : '';
  if (typeof type !== 'string') throw new ChatError('bad_request', 'bad frame: type should be a string');
  const handler = table.get(type);
  if (handler === undefined) throw new ChatError('unsupported_type');
  return handler;
}

/** Whether a frame says something to others: it is handled though who sent it has gone. */
const isSend = (frame: object): boolean => 'type' in frame && SENDS.has(frame.type);
const SENDS: ReadonlySet<unknown> = new Set(['chat', 'edit', 'delete', 'react']);

/** The id that an answer to a frame repeats, where it has one that may be repeated. */
const idOf = (frame: object): string | undefined =>
  'id' in frame && typeof frame.id === 'string' && frame.id.length <= 64 ? frame.id : undefined;

/**
 * Makes what handles one frame of a connection, by a table of its types. What goes wrong is answered with an error, which repeats
 * the frame's id.
 */
export function dispatcher<C extends Connection>(
  table: Record<string, FrameHandler<C>>,
  log: FastifyBaseLogger,
): (connection: C, data: Buffer) => void | Promise<void> {
  const rows = new Map(Object.entries(table));
  const fail = (connection: C, error: unknown, id: string | undefined): void => {
    if (!(error instanceof ChatError)) log.error({ err: error, user: connection.user }, 'a frame failed');
    connection.sendError(toChatError(error), id);
  };
  const orFail = (work: Promise<void>, connection: C, id: string | undefined) =>
    work.catch((error: unknown) => fail(connection, error, id));
  // Nothing is made here for each frame that most frames don't need.
  return (connection, data) => {
    let id: string | undefined;
    try {
      const frame = readFrame(data);
      if (connection.isGone && !isSend(frame)) return;
      id = idOf(frame);
      const work = rowOf(rows, frame)(connection, frame);
      return work === undefined ? undefined : orFail(work, connection, id);
    } catch (error) {
      return fail(connection, error, id);
    }
  };
}
