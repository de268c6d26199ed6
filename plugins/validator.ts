import type { TObject, TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import type { FastifySchemaCompiler } from 'fastify';
import { ChatError } from './errors.js';

/** What is wrong with a value, for people. */
export function explain(error: ValueError): string {
  if (error.type !== ValueErrorType.Union) return error.message;
  // The branch that the value is closest to fails for more than its type.
  const branches = error.errors.map((errors) => errors.First()?.message ?? '');
  const closest = branches.find((message) => !/^Expected \w+$/.test(message));
  return closest ?? `Expected ${branches.map((message) => message.slice('Expected '.length)).join(' or ')}`;
}

/**
 * The parameters of an address as the numbers that their schema asks for. Plain decimal numbers only: TypeBox's own
 * conversion makes 1 of `1.9`, `0x1` and `true`.
 */
function readParameters(schema: TObject, values: Record<string, unknown>): Record<string, unknown> {
  const read = { ...values };
  for (const [name, property] of Object.entries(schema.properties)) {
    const text = values[name];
    if (property.type === 'integer' && typeof text === 'string' && /^(0|-?[1-9]\d*)$/.test(text))
      read[name] = Number(text);
  }
  return read;
}

/** Checks HTTP input with the compiler that checks frames. In a body nothing is converted. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = TypeCompiler.Compile(schema);
  return (value) => {
    const read = httpPart === 'body' ? value : readParameters(schema as TObject, value);
    if (check.Check(read)) return { value: read };
    const first = check.Errors(read).First();
    const problem = first === undefined ? '' : `${httpPart}${first.path} ${explain(first)}`;
    return { error: new ChatError('bad_request', `bad request: ${problem}`) };
  };
};
