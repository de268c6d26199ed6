import { readdir } from 'node:fs/promises';
import { Kind, type TSchema, type TUnsafe } from '@sinclair/typebox';
import t from 'tap';

const folder = new URL('../schemas/', import.meta.url);
const files = (await readdir(folder)).filter((file) => file.endsWith('.ts'));

const isSchema = (value: unknown): value is TSchema =>
  typeof value === 'object' && value !== null && Kind in value;

/** What a schema leaves unbounded, with where it is. */
function unbounded(schema: TSchema, place: string): string[] {
  const inner = (child: unknown, name: string) =>
    isSchema(child) ? unbounded(child, `${place}${name}`) : [];
  switch (schema[Kind]) {
    case 'String':
      return schema.maxLength === undefined ? [`${place}: a text without maxLength`] : [];
    case 'Integer':
    case 'Number': {
      const low = schema.minimum ?? schema.exclusiveMinimum;
      const high = schema.maximum ?? schema.exclusiveMaximum;
      return Number.isFinite(low) && Number.isFinite(high) ? [] : [`${place}: a number without bounds`];
    }
    case 'Array':
      return [
        ...(schema.maxItems === undefined ? [`${place}: a list without maxItems`] : []),
        ...inner(schema.items, '[]'),
      ];
    case 'Tuple':
      return (schema.items ?? []).flatMap((item: TSchema, i: number) => inner(item, `[${i}]`));
    case 'Object':
      return Object.entries(schema.properties).flatMap(([name, property]) => inner(property, `.${name}`));
    case 'Union':
    case 'Intersect':
      return [...(schema.anyOf ?? []), ...(schema.allOf ?? [])].flatMap((branch: TSchema, i) =>
        inner(branch, `|${i}`),
      );
    case 'Literal':
    case 'Boolean':
    case 'Null':
      return [];
    default:
      return [`${place}: ${String(schema[Kind])} is not known to be bounded`];
  }
}

/** All that is unbounded in what a file exports: schemas, and tables of them. */
function walk(value: unknown, place: string, count: { schemas: number }): string[] {
  if (isSchema(value)) {
    count.schemas++;
    return unbounded(value, place);
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, child]) => walk(child, `${place}.${name}`, count));
}

t.test('every text, list and number in an exported schema is bounded', async (t) => {
  const count = { schemas: 0 };
  for (const file of files) {
    const problems = walk(await import(new URL(file, folder).href), file, count);
    t.strictSame(problems, [], file);
  }
  t.ok(count.schemas > 50, `${count.schemas} schemas were looked at`);
});

t.test('the walk itself finds what is unbounded', async (t) => {
  const { Type } = await import('@sinclair/typebox');
  const count = { schemas: 0 };
  const bad = {
    text: Type.String(),
    table: { number: Type.Integer({ minimum: 0 }), list: Type.Array(Type.String({ maxLength: 1 })) },
    deep: Type.Object({
      a: Type.Optional(Type.Union([Type.Null(), Type.Array(Type.Number(), { maxItems: 1 })])),
    }),
    record: Type.Record(Type.String(), Type.Null()),
    unknown: Type.Unsafe<string>({ type: 'string' }) satisfies TUnsafe<string>,
    infinite: Type.Number({ minimum: 0, maximum: Number.POSITIVE_INFINITY }),
  };
  t.strictSame(
    walk(bad, 'bad', count).map((problem) => problem.split(':')[0]),
    [
      'bad.text',
      'bad.table.number',
      'bad.table.list',
      'bad.deep.a|1[]',
      'bad.record',
      'bad.unknown',
      'bad.infinite',
    ],
  );
});
