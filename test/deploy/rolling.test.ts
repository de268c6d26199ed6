/** Both servers behind the shipped Nginx file replaced one after the other while people talk and programs ask. */
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import t from 'tap';
import { check, failures, outstanding } from '../fault/checker.js';
import { now } from '../fault/clock.js';
import { makeCrowd } from '../fault/crowd.js';
import type { Diary, Evidence } from '../fault/diary.js';
import { random } from '../fault/random.js';
import { signToken } from '../fault/token.js';
import { until } from '../nodes/process.js';
import { startStack } from './stack.js';
import { caller } from './traffic.js';

/** A client of the crowd comes back after at most this, as it would at once on a good line. */
const reconnectWait = 200;
/** What a handshake takes on a machine that is busy with everything else here. */
const handshake = 1500;
const people = 24;

/** How long each client was without a connection, each time. */
function absences({ entries }: Diary): number[] {
  const found: number[] = [];
  let left: number | undefined;
  for (const entry of entries) {
    if (entry.type === 'close') left = entry.at;
    if (entry.type === 'open' && left !== undefined) {
      found.push(entry.at - left);
      left = undefined;
    }
  }
  return found;
}

t.test('nothing is lost or doubled, nobody sees an error, and nobody is away for long', async (t) => {
  const stack = await startStack({ LOG_LEVEL: 'info' });
  t.teardown(stack.end);
  const sql = postgres(stack.databaseUrl, { max: 1, onnotice: () => {} });
  t.teardown(() => sql.end());
  const rows = await sql<{ user_id: string; username: string }[]>`
    insert into users ${sql(
      Array.from({ length: people + 4 }, (_, i) => ({ username: `user-${i}`, password: '-' })),
    )} returning user_id, username`;
  const users = rows.map(({ user_id, username }) => {
    const user = { id: Number(user_id), name: username };
    return { id: user.id, token: signToken(stack.secret, user) };
  });

  const [port = 0] = stack.nginx.ports;
  const crowd = makeCrowd({
    users: users.slice(0, people),
    many: new Map(),
    doors: [{ replica: 'nginx', port }],
    random: random(7).fork('crowd'),
    repeat: 0.02,
  });
  // Programs talk among themselves, so that the people's diaries hold all that the people get.
  const callers = users
    .slice(people)
    .map(({ token }, i, all) => caller(stack.nginx.url, token, all[(i + 1) % all.length]?.id ?? 0));
  const evidence: Evidence = {
    diaries: crowd.clients.map(({ diary }) => diary),
    many: new Map(),
    changes: [],
    faults: [],
    away: [],
    until: now(),
  };
  try {
    for (const client of crowd.clients) client.start();
    await until(
      async () => crowd.settled(),
      () => 'not all are connected',
    );
    crowd.talk(60);
    await sleep(2000);
    for (let round = 0; round < 2; round++) {
      for (const replica of stack.replicas) {
        await replica.end();
        await replica.start();
        await sleep(2500); // for those who have just come back to talk from there
      }
    }
    crowd.hush();
    await until(
      async () => {
        evidence.until = now();
        return crowd.settled() && outstanding(evidence).length === 0;
      },
      () => 'not everything has arrived',
      60_000,
    );
    await sleep(1500); // copies that come too much come by now
    evidence.until = now();
  } finally {
    crowd.hush();
    await Promise.all(callers.map((each) => each.stop()));
    for (const client of crowd.clients) client.stop();
  }

  const verdict = check(evidence);
  const found = [...failures(verdict)];
  t.strictSame(found, []);
  t.ok(verdict.owed > 500, `${verdict.owed} messages had to arrive`);
  t.strictSame(
    callers.flatMap(({ refusals }) => refusals),
    [],
    'no program saw an error',
  );
  const calls = callers.reduce((sum, each) => sum + each.calls(), 0);
  t.ok(calls > 500, `${calls} requests`);

  const away = evidence.diaries.flatMap(absences);
  const moves = evidence.diaries.map((diary) => absences(diary).length);
  t.ok(Math.min(...moves) >= 2, 'everybody had to move');
  t.ok(Math.max(...away) < reconnectWait + handshake, `away for up to ${Math.max(...away).toFixed(0)} ms`);
  const codes = evidence.diaries.flatMap(({ entries }) =>
    entries.flatMap((entry) => (entry.type === 'close' && !entry.own ? [entry.code] : [])),
  );
  t.strictSame([...new Set(codes)], [1012], 'every socket was closed with the word that says come back');
  const refused = evidence.diaries.flatMap(({ entries }) =>
    entries.filter((entry) => entry.type === 'connect').length >
    entries.filter((entry) => entry.type === 'open').length
      ? [1]
      : [],
  );
  t.strictSame(refused, [], 'and no attempt to come back failed');
  t.comment(
    `${verdict.messages} messages, ${calls} requests, longest absence ${Math.max(...away).toFixed(0)} ms`,
  );
});
