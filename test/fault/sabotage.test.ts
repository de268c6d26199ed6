/** The server is broken on purpose, each time where a promise is kept, and the checker must find out. */
import { test } from 'tap';
import { execute } from '../nodes/process.js';
import { copyBuild, type Patch } from './build.js';
import { check, failures } from './checker.js';
import { report } from './report.js';
import { run } from './run.js';
import type { Step } from './schedule.js';

const sabotages: { name: string; patch: Patch; steps: Omit<Step, 'seed'>[]; finds: string[] }[] = [
  {
    name: 'no repair: what a publish lost stays away',
    patch: { file: 'plugins/hub.js', find: 'async look() {', replace: 'async look() { return;' },
    steps: [
      { at: 1000, kind: 'redis-pause', lasts: 2500 },
      { at: 6000, kind: 'redis-pause', lasts: 2500 },
    ],
    finds: ['lost'],
  },
  {
    name: 'debts deleted when they are written: what the line did not carry is gone',
    patch: {
      file: 'plugins/plain.js',
      find: 'note(message, bytes) {',
      replace:
        'note(message, bytes) { this.hub.confirm(this.user, [{ msgId: message.msgId, conversation: message.conversation, seq: message.seq, informs: 0, bytes: 0 }]);',
    },
    steps: [
      { at: 500, kind: 'vanish', lasts: 3000 },
      { at: 3000, kind: 'vanish', lasts: 3000 },
      { at: 5000, kind: 'cut', lasts: 0 },
      { at: 6000, kind: 'vanish', lasts: 3000 },
    ],
    finds: ['lost'],
  },
  {
    name: 'delivery before commit: people hear of what is then not stored',
    patch: {
      file: 'plugins/messages.js',
      find: 'await deadline(append(this.db.log, todo, debts), ATTEMPT_MS)',
      replace: `await new Promise((resolve, reject) => {
        this.db.log.begin(async (sql) => {
          resolve(await append(sql, todo, debts));
          await sleep(100);
        }).catch(reject);
      })`,
    },
    steps: [
      { at: 1000, kind: 'postgres-restart', lasts: 0 },
      { at: 6000, kind: 'postgres-restart', lasts: 0 },
    ],
    finds: ['lost', 'contradictions', 'log'],
  },
];

test('the checker finds out', async (t) => {
  await execute(process.execPath, ['build.mjs']);
  for (const { name, patch, steps, finds } of sabotages) {
    await t.test(name, async (t) => {
      const build = await copyBuild('dist/server.js', [patch]);
      t.teardown(build.remove);
      const options = {
        ...{ server: build.server, seed: 1, steps: steps.map((step, seed) => ({ ...step, seed })) },
        ...{ clients: 10, rate: 100, repeat: 0, drainMs: 6000 },
        ...{ leaseSeconds: 4, repairSeconds: 1, heartbeatSeconds: 2, log: () => {} },
      };
      await run(options, async (result) => {
        const verdict = check(result.evidence);
        t.comment(report(result, verdict));
        t.ok(verdict.arrived > 500, 'most works all the same');
        const found = [...failures(verdict).keys()];
        t.ok(
          finds.some((rule) => found.includes(rule)),
          `found: ${found.join(', ') || 'nothing'}`,
        );
      });
    });
  }
});
