/** The server is broken on purpose, each time where a promise is kept, and the checker must find out. */
import { test } from 'tap';
import { execute } from '../nodes/process.js';
import { copyBuild, type Patch } from './build.js';
import { check, failures } from './checker.js';
import { report } from './report.js';
import { run } from './run.js';
import type { Step } from './schedule.js';

interface Sabotage {
  name: string;
  patches: Patch[];
  steps: Omit<Step, 'seed'>[];
  /** One of these rules is broken; and of each list of `alsoFinds` one. */
  finds: string[];
  alsoFinds?: string[][];
}

const sabotages: Sabotage[] = [
  {
    name: 'no repair: what a publish lost stays away',
    patches: [{ file: 'plugins/hub/repair.js', find: 'async look() {', replace: 'async look() { return;' }],
    steps: [
      // Nothing is said after it that would show the gap.
      { at: 1000, kind: 'redis-pause', lasts: 4000 },
    ],
    finds: ['lost'],
  },
  {
    name: 'a cursor moved when a frame is written: what the line did not carry is gone',
    patches: [
      {
        file: 'plugins/connection/plain.js',
        find: 'note(message, waited, bytes) {',
        replace:
          'note(message, waited, bytes) { this.port.confirmed({ user: this.user, conversation: message.conversation, [waited ? "fetched" : "pushed"]: message.seq, informs: [] });',
      },
    ],
    steps: [
      // Long enough for clients to give their lines up.
      { at: 500, kind: 'stall', lasts: 10_000 },
      { at: 700, kind: 'stall', lasts: 10_000 },
      { at: 900, kind: 'stall', lasts: 10_000 },
      { at: 1100, kind: 'stall', lasts: 10_000 },
    ],
    finds: ['lost'],
  },
  {
    name: 'delivery before commit: people hear of what is then not stored',
    patches: [
      {
        file: 'plugins/log/store.js',
        find: '(sql) => append(sql, batch, this.acquainted, this.rosters),',
        replace: `async (log) => {
        await log.unsafe('begin');
        try {
          return await append(log, batch, this.acquainted, this.rosters);
        } catch (error) {
          await log.unsafe('rollback').catch(() => {});
          throw error;
        } finally {
          setTimeout(() => log.unsafe('commit').catch(() => {}), 100);
        }
      },`,
      },
      // It would miss what it has just stored, and end.
      { file: 'plugins/db/history.js', find: 'at !== known.createdAt', replace: 'false' },
    ],
    steps: [
      { at: 1000, kind: 'postgres-restart', lasts: 0 },
      { at: 3500, kind: 'postgres-restart', lasts: 0 },
      { at: 6000, kind: 'postgres-restart', lasts: 0 },
    ],
    // `odd`: what a client is told that writes into a conversation which it heard of, and which isn't stored.
    finds: ['lost', 'contradictions', 'log', 'odd'],
  },
  {
    // All at once, since none needs a fault and each shows by a rule of its own.
    name: 'who is in a group is kept for too long, changes are not told, heads lie, and what is shown again is not caught up',
    patches: [
      {
        file: 'sql/append.js',
        find: 'part.members = members ?? known[i]?.members ?? [];',
        replace: 'part.members = known[i]?.members ?? members ?? [];',
      },
      {
        file: 'plugins/connection/changing.js',
        find: 'deliverChanges(news) {',
        replace: 'deliverChanges(news) { return;',
      },
      {
        file: 'plugins/connection/frames.js',
        find: '.map(presentHead)',
        replace: '.map((head) => presentHead({ ...head, seq: head.seq - 1 }))',
      },
      {
        file: 'plugins/connection/parked.js',
        find: 'const more = this.parking.show(conversations);',
        replace: 'this.parking.show(conversations); return;',
      },
    ],
    // Nothing else has to go wrong for that.
    steps: [{ at: 8000, kind: 'hop', lasts: 0 }],
    finds: ['leaked'],
    alsoFinds: [['diverged'], ['heads'], ['lost']],
  },
];

test('the checker finds out', async (t) => {
  await execute(process.execPath, ['build.mjs']);
  for (const { name, patches, steps, finds, alsoFinds = [] } of sabotages) {
    await t.test(name, async (t) => {
      const build = await copyBuild('dist/server.js', patches);
      t.teardown(build.remove);
      const options = {
        ...{ server: build.server, seed: 1, steps: steps.map((step, seed) => ({ ...step, seed })) },
        ...{
          clients: 10,
          groups: Array<number>(10).fill(3),
          rate: 100,
          repeat: 0,
          lastWordsMs: 0,
          drainMs: 6000,
        },
        ...{ leaseSeconds: 4, repairSeconds: 1, heartbeatSeconds: 2, limits: false, log: () => {} },
      };
      await run(options, async (result) => {
        const verdict = check(result.evidence);
        t.comment(report(result, verdict));
        t.ok(verdict.arrived > 200, 'much works all the same');
        const found = [...failures(verdict).keys()];
        for (const rules of [finds, ...alsoFinds])
          t.ok(
            rules.some((rule) => found.includes(rule)),
            `found: ${found.join(', ') || 'nothing'}`,
          );
      });
    });
  }
});
