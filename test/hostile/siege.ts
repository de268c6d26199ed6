/** An attack on the doors, beside two who chat and people who sign in as they should, and what these felt of it. */
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AttackName, ask } from './attacks.js';
import type { Pair } from './pair.js';
import type { Holding, Watched } from './server.js';

/** Milliseconds between two sign-ins of one of them. */
const EVERY_MS = 500;
/** Bounds of a run that is good: milliseconds, and how much more memory afterwards. */
const P99_MS = 100;
const LOGIN_MS = 1000;
const GROWTH = 1.1;

/** Sign-ins of one kind. */
interface Logins {
  count: number;
  /** Milliseconds that the slowest took. */
  slowest: number;
  /** What was answered in place of a token. */
  refused: string[];
}

interface Person {
  name: string;
  from: string;
  /** Of the device that they are signed in on. */
  cookie?: string;
}

/** Signs somebody in who stays so. @returns what their browser shows from then on */
export async function ownDevice(port: number, name: string, password: string): Promise<string> {
  const agent = new Agent();
  const body = { username: name, password, stay_signed_in: true };
  const { how, cookie } = await ask({ port, agent, from: '10.200.0.1' }, '/login', { body });
  if (how !== '200') throw new Error(`${name} is answered ${how}`);
  return cookie;
}

/** Somebody who signs in with the right password, and out, again and again. @param nextOf who it is each time */
function signingIn(port: number, password: string, nextOf: () => Person) {
  const agent = new Agent({ keepAlive: true });
  const stopped = new AbortController();
  const logins: Logins = { count: 0, slowest: 0, refused: [] };
  const running = (async () => {
    while (!stopped.signal.aborted) {
      const { name, from, cookie } = nextOf();
      const start = performance.now();
      const who = { port, agent, from };
      const { how, text } = await ask(who, '/login', { body: { username: name, password }, cookie });
      logins.count++;
      logins.slowest = Math.max(logins.slowest, performance.now() - start);
      if (how === '200') await ask(who, '/api/logout', { body: {}, token: JSON.parse(text).data.token });
      else logins.refused.push(how);
      await sleep(EVERY_MS, undefined, { signal: stopped.signal }).catch(() => {});
    }
  })();
  return async () => {
    stopped.abort();
    await running;
    agent.destroy();
    return logins;
  };
}

interface Waits {
  p50: number | undefined;
  p99: number | undefined;
}

export interface Siege {
  attack: AttackName | 'all together';
  /** How often the server made what of what was done. */
  met: Record<string, number>;
  seconds: number;
  pair: Record<'before' | 'during' | 'after', Waits>;
  /** Milliseconds that the slowest sign-in took before. */
  usual: number;
  /** Of the owner of the account that is attacked, on a device of theirs, and of people who come for the first time. */
  logins: Record<'known' | 'fresh', Logins>;
  before: Holding;
  after: Holding;
}

export interface Scene {
  server: Watched;
  pair: Pair;
  password: string;
  /** Signs in all the time, and people who do once. */
  known: { name: string; cookie: string };
  fresh: string[];
  /** Milliseconds of quiet before, and after. */
  quietMs: number;
  calmMs: number;
}

/** Looks on while `act` goes on. */
export async function besiege(
  attack: Siege['attack'],
  { server, pair, password, known, fresh, quietMs, calmMs }: Scene,
  act: () => Promise<Record<string, number>>,
): Promise<Siege> {
  let guests = 0;
  const waits = async (during: () => Promise<unknown>): Promise<Waits> => {
    pair.forget();
    await during();
    return pair.waits();
  };
  const people = () => ({
    known: signingIn(server.port, password, () => ({ ...known, from: '10.200.0.1' })),
    fresh: signingIn(server.port, password, () => ({
      name: fresh[guests % fresh.length] ?? '',
      from: `10.201.${++guests >> 8}.${guests & 255}`,
    })),
  });
  const warm = people();
  const before = await waits(() => sleep(quietMs));
  const usual = Math.max((await warm.known()).slowest, (await warm.fresh()).slowest);
  const held = await server.holds(true);
  const start = performance.now();
  const met: Record<string, number> = {};
  const now = people();
  const during = await waits(async () => Object.assign(met, await act()));
  const seconds = (performance.now() - start) / 1000;
  const logins = { known: await now.known(), fresh: await now.fresh() };
  const after = await waits(() => sleep(quietMs));
  await sleep(calmMs);
  return {
    ...{ attack, met, seconds, usual, logins },
    pair: { before, during, after },
    before: held,
    after: await server.holds(true),
  };
}

/** @returns a sentence for each thing that must not be */
export function siegeFaults({ attack, pair, logins, before, after }: Siege): string[] {
  const found: string[] = [];
  const bad = (text: string) => found.push(`${attack}: ${text}`);
  const p99 = pair.during.p99 ?? Number.POSITIVE_INFINITY;
  if (p99 >= P99_MS) bad(`one in a hundred of the pair's messages took ${p99.toFixed(0)} ms or longer`);
  for (const [who, { count, slowest, refused }] of Object.entries(logins)) {
    if (refused.length > 0)
      bad(`${refused.length} of ${count} sign-ins (${who}) were answered ${[...new Set(refused)]}`);
    if (slowest >= LOGIN_MS) bad(`a sign-in (${who}) took ${slowest.toFixed(0)} ms`);
  }
  if (after.resident > before.resident * GROWTH)
    bad(`memory is ${Math.round((after.resident / before.resident - 1) * 100)} % over before`);
  return found;
}

const ms = (value: number | undefined) => value?.toFixed(1) ?? '–';
const mb = (bytes: number) => (bytes / 1e6).toFixed(0);

const HEAD = [
  'attack',
  'answers',
  's',
  'pair before: p50 / p99 ms',
  'during',
  'after',
  'slowest sign-in ms: before',
  'owner',
  'new people',
  'memory MB',
];
const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

/** The head of the table in README.md. */
export const head = () => [line(HEAD), line(HEAD.map(() => '---'))].join('\n');

/** A row of it. */
export function row({ attack, met, seconds, pair, usual, logins, before, after }: Siege): string {
  const answers = Object.entries(met)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 4)
    .map(([how, count]) => `${count} ${how}`);
  const people = [logins.known, logins.fresh].map(
    ({ count, slowest, refused }) => `${slowest.toFixed(0)} (${refused.length} of ${count} refused)`,
  );
  const waits = [pair.before, pair.during, pair.after].map(({ p50, p99 }) => `${ms(p50)} / ${ms(p99)}`);
  return line([
    ...[attack, answers.join(', '), seconds.toFixed(0), ...waits, usual.toFixed(0), ...people],
    `${mb(before.resident)} → ${mb(after.resident)}`,
  ]);
}
