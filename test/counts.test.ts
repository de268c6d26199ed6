/** What test/tap.mjs makes of a run's output: the numbers that decide whether a change is taken. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';

/** @returns passed and failed */
async function count(t: Tap, lines: string): Promise<string> {
  const file = join(t.testdir(), 'counts');
  const child = spawn(process.execPath, ['test/tap.mjs', file], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(lines);
  await once(child, 'exit');
  return (await readFile(file, 'utf8')).trim();
}
type Tap = Pick<typeof t, 'testdir'>;

t.test('tests are counted, not what they assert', async (t) => {
  const lines = `TAP version 14
# Subtest: test/a.test.ts
    # Subtest: one
        ok 1 - an assertion
        ok 2 - another
    ok 1 - one # time=3.2ms
    
    # Subtest: two
        # Subtest: within
            ok 1 - an assertion
        ok 1 - within # time=1ms
    ok 2 - two # time=3.2ms
ok 1 - test/a.test.ts # time=12.5ms
# Subtest: test/b.test.ts
    ok 1 - an assertion outside of any test
ok 2 - test/b.test.ts # time=1ms
# { total: 4, pass: 4 }
`;
  t.equal(await count(t, lines), '3 0');
});

t.test('tests that ran beside each other are counted as well', async (t) => {
  const lines = `# Subtest: test/a.test.ts
    ok 1 - one # time=3.2ms {
        ok 1 - an assertion
    }
    not ok 2 - two # time=3.2ms {
        # Subtest: within
            not ok 1 - an assertion
              ---
              source: |
                {
                }
              ...
        not ok 1 - within # time=1ms
        # Subtest: beside it
            ok 1 - an assertion
        ok 2 - beside it # time=1ms
    }
not ok 1 - test/a.test.ts # time=12.5ms
`;
  t.equal(await count(t, lines), '2 1');
});

t.test('a file that fails though all its tests passed counts as failed', async (t) => {
  const lines = `# Subtest: test/a.test.ts
    # Subtest: one
        ok 1 - an assertion
    ok 1 - one # time=3.2ms
not ok 1 - test/a.test.ts # time=12.5ms
`;
  t.equal(await count(t, lines), '1 1');
});

t.test('what is summed up already is not counted again', async (t) => {
  t.equal(await count(t, '# pass 7\n# fail 1\n# cancelled 1\n'), '7 2', 'by another runner');
  const lines = `not ok 1 - test/a.test.ts
    # Subtest: one
    not ok 1 - one # time=3.2ms
  12 s  9 passed, 1 failed  a part
9 passed, 1 failed
`;
  t.equal(await count(t, lines), '9 1', 'by test/all.mjs');
});
