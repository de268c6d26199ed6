import type { Static, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { ChatError } from '../../plugins/errors.js';
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
export function readFrame(data: Buffer): object {
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
export function rowOf<C>(table: Map<string, FrameHandler<C>>, frame: object): FrameHandler<C> {
  const type = 'type' in frame ? (frame.type ?? '') : '';
  if (typeof type !== 'string') throw new ChatError('bad_request', 'bad frame: type should be a string');
  const handler = table.get(type);
  if (handler === undefined) throw new ChatError('unsupported_type');
  return handler;
}

/** Whether a frame says something to others: it is handled though who sent it has gone. */
export const isSend = (frame: object): boolean => 'type' in frame && frame.type === 'chat';
