import t from 'tap';
import { Scale, tallest } from '../../static/app/scale.js';

const height = 800;

t.test('in a list that fits, a place is where it is', async (t) => {
  const scale = new Scale();
  scale.resize(5000);
  t.equal(scale.height, 5000);
  t.equal(scale.keep(1234), 1234);
  t.equal(scale.place(4000, true), 4000);
});

t.test(
  'a list that is higher than any element is reached from end to end, and moves as the wheel does',
  async (t) => {
    const total = tallest * 8 + 321;
    const scale = new Scale();
    scale.resize(total);
    t.equal(scale.height, tallest);
    t.equal(scale.keep(total - height), tallest - height, 'the end is the end');
    t.equal(scale.place(0, true), 0, 'the top of the scrollbar is the beginning');
    t.equal(scale.place(tallest - height, true), total - height, 'and its bottom the end');
    const middle = scale.place(tallest / 2, true);
    t.ok(Math.abs(middle - total / 2) < total / 1000);
    t.equal(scale.place(tallest / 2 - 100, false), middle - 100);
  },
);

t.test('scrolled by hand all the way, no row is skipped and neither end is missed', async (t) => {
  const total = tallest * 3;
  const scale = new Scale();
  scale.resize(total);
  for (const [from, step] of [
    [total - height, -700],
    [0, 700],
  ] as const) {
    let place = from;
    let top = scale.show(place);
    for (let n = 0; n < total / 700 + 1; n++) {
      const wanted = Math.max(0, Math.min(total - height, place + step));
      const next = Math.max(0, Math.min(tallest - height, top + step));
      place = scale.place(next, false);
      if (Math.abs(place - wanted) > 0.001) return void t.fail(`at ${wanted} it stands at ${place}`);
      top = scale.keep(place);
      if (top < 0 || top > tallest - height + 0.001) return void t.fail(`outside of the element: ${top}`);
    }
    t.equal(place, step < 0 ? 0 : total - height);
  }
});
