import fastJson from 'fast-json-stringify';

type Serialize = (value: unknown) => string;

const made = new WeakMap<object, Serialize>();

/** What writes the answers of a schema. Made once, as the errors are answers of every route, and making one takes milliseconds. */
export function serializerCompiler({ schema }: { schema: object }): Serialize {
  const serialize = made.get(schema) ?? fastJson(schema);
  made.set(schema, serialize);
  return serialize;
}
