/** People who talk over sockets and programs that ask over HTTP, all through one port, with every answer counted. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { check, failures, outstanding } from '../fault/checker.js';
import { now } from '../fault/clock.js';
import { makeCrowd } from '../fault/crowd.js';
import type { Evidence } from '../fault/diary.js';
import { random } from '../fault/random.js';
import { until } from '../nodes/process.js';

export interface Person {
  id: number;
  token: string;
}

/** Asks without a pause until it is stopped, on connections that are kept, and counts what is not a success. */
export function caller(base: string, token: string, to: number, pauseMs = 5) {
  const refusals: string[] = [];
  let calls = 0;
  let running = true;
  const ask = async (path: string, init: RequestInit): Promise<void> => {
    calls++;
    try {
      const answer = await fetch(base + path, { ...init, signal: AbortSignal.timeout(10_000) });
      const body = await answer.text();
      if (answer.status !== 200) refusals.push(`${init.method} ${path}: ${answer.status} ${body}`);
    } catch (error) {
      refusals.push(`${init.method} ${path}: ${error} ${error instanceof Error ? error.cause : ''}`);
    }
  };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const loop = (async () => {
    while (running) {
      await ask('/api/conversations', { method: 'GET', headers });
      const body = JSON.stringify({ to_user_id: to, id: randomBytes(8).toString('hex'), content: 'by HTTP' });
      await ask('/api/messages', { method: 'POST', headers, body });
      await sleep(pauseMs);
    }
  })();
  return {
    refusals,
    calls: () => calls,
    async stop() {
      running = false;
      await loop;
    },
  };
}

/** Registers somebody and logs in. */
async function signUp(base: string): Promise<Person> {
  const person = {
    username: `traffic-${randomBytes(6).toString('hex')}`,
    password: randomBytes(8).toString('hex'),
  };
  const post = async (path: string) => {
    const answer = await fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(person),
    });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text}`);
    return JSON.parse(text).data;
  };
  const { user_id } = await post('/register');
  const { token } = await post('/login');
  return { id: Number(user_id), token: String(token) };
}

export interface Report {
  requests: number;
  /** Requests that were answered with anything but success, or not at all. */
  refusals: string[];
  /** Messages over sockets, and how many of them had to arrive. */
  messages: number;
  owed: number;
  /** What is lost, doubled or out of order. */
  failures: string[];
}

/**
 * Starts the traffic.
 * @param port on 127.0.0.1
 * @param rate messages a second over sockets
 * @param programs callers over HTTP, with their pauses in milliseconds
 * @returns what stops it, waits until all has arrived, and tells
 */
export async function startTraffic(
  port: number,
  { people = 16, rate = 40, programs = 4, pauseMs = 5 } = {},
): Promise<() => Promise<Report>> {
  const base = `http://127.0.0.1:${port}`;
  const users: Person[] = [];
  for (let i = 0; i < people + programs; i++) users.push(await signUp(base));
  const crowd = makeCrowd({
    users: users.slice(0, people),
    many: new Map(),
    doors: [{ replica: 'entrance', port }],
    random: random(7).fork('crowd'),
    repeat: 0.02,
  });
  for (const client of crowd.clients) client.start();
  await until(
    async () => crowd.settled(),
    () => 'not all are connected',
  );
  const callers = users
    .slice(people)
    .map(({ token }, i, all) => caller(base, token, all[(i + 1) % all.length]?.id ?? 0, pauseMs));
  crowd.talk(rate);
  return async () => {
    crowd.hush();
    await Promise.all(callers.map((each) => each.stop()));
    const evidence: Evidence = {
      diaries: crowd.clients.map(({ diary }) => diary),
      many: new Map(),
      changes: [],
      faults: [],
      away: [],
      until: now(),
    };
    try {
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
      for (const client of crowd.clients) client.stop();
    }
    const verdict = check(evidence);
    return {
      requests: callers.reduce((sum, each) => sum + each.calls(), 0),
      refusals: callers.flatMap(({ refusals }) => refusals),
      messages: verdict.messages,
      owed: verdict.owed,
      failures: [...failures(verdict)].map(String),
    };
  };
}
