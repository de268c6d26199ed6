import postgres from 'postgres';
import t from 'tap';
import { type Asker, Lanes } from '../plugins/db/lanes.js';

t.test('what is to be stored has its turn before what people have asked', async (t) => {
  // Never asked here, so it never connects.
  const client = postgres({ types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } } });
  const lanes = new Lanes(1, () => client, { renewable: false });
  const turns: string[] = [];
  const ask = (asker: Asker, name: string) => asker.ask(async () => void turns.push(name));
  await Promise.all([
    ask(lanes, 'under way'),
    ask(lanes, 'a list'),
    ask(lanes, 'another'),
    ask(lanes.first, 'a batch'),
    ask(lanes, 'a third'),
    ask(lanes.first, 'the next batch'),
  ]);
  t.strictSame(turns, ['under way', 'a batch', 'the next batch', 'a list', 'another', 'a third']);
});
