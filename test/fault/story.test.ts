import { test } from 'tap';
import type { Evidence } from './diary.js';
import { stories } from './story.js';

test('a finding comes with what happened to the connection that it was sent on', async (t) => {
  const evidence: Evidence = {
    diaries: [
      {
        user: 7,
        kind: 'plain',
        entries: [
          { type: 'connect', connection: 1, at: 1000, replica: 'a' },
          { type: 'connect', connection: 2, at: 2000, replica: 'b' },
          { type: 'open', connection: 2, at: 2010, port: 1 },
          { type: 'answered', connection: 2, at: 2030 },
          { type: 'send', connection: 2, at: 3000, to: 8, n: 1, content: 'gone' },
          { type: 'send', connection: 2, at: 3100, to: 8, n: 2, content: 'there' },
          { type: 'error', connection: 2, at: 3200, code: '', text: 'unavailable' },
          { type: 'close', connection: 2, at: 4000, code: 1006, own: true },
        ],
      },
    ],
    many: new Map(),
    changes: [],
    faults: [{ kind: 'kill', from: 1000, to: 1500 }],
    away: [
      { what: 'postgres', name: '', from: 2500, to: 2750 },
      { what: 'replica', name: 'b', from: 5000, to: 6000 },
    ],
    until: 9000,
  };
  t.strictSame(stories(evidence, [{ what: 'lost', user: 8, at: 3000, content: 'gone' }]), [
    '  user 7, plain, connection 2: 1.00 tried b, 1.01 opened, 1.03 answered, 2.00 sent it, 2.20 error "unavailable", 3.00 closed 1006 by itself\n' +
      '    away: postgres 1.50 to 1.75',
  ]);
  t.strictSame(stories(evidence, []), []);
});
