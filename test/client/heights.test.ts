import t from 'tap';
import { Heights } from '../../static/app/heights.js';

t.test('offsets and rows agree with a plain sum, whatever was measured', async (t) => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  const heights = new Heights(300, 40);
  const plain = Array.from({ length: 300 }, () => 40);
  for (let i = 0; i < 2000; i++) {
    const row = random(plain.length);
    const height = 20 + random(200);
    heights.set(row, height);
    plain[row] = height;
    if (i % 50 === 0) {
      plain.push(40);
      heights.resize(plain.length);
    }
    const at = random(plain.length);
    const above = plain.slice(0, at).reduce((sum, h) => sum + h, 0);
    t.equal(heights.offset(at), above);
    t.equal(heights.find(above + 1), at);
  }
  t.equal(
    heights.total,
    plain.reduce((sum, h) => sum + h, 0),
  );
});

t.test('rows that go at the end take their height with them', async (t) => {
  const heights = new Heights(3, 40);
  heights.set(2, 100);
  heights.resize(2);
  heights.resize(3);
  t.equal(heights.total, 120);
});

t.test('50,000 rows are found in no time, and nothing at all is a row too', async (t) => {
  const heights = new Heights(50_000, 44);
  const start = performance.now();
  for (let i = 0; i < 50_000; i++) heights.set(i, 30 + (i % 40));
  for (let i = 0; i < 50_000; i++) heights.find(i * 40);
  t.ok(performance.now() - start < 1000);
  t.equal(new Heights(0, 44).find(10), 0);
});
