/** What a run found, for people, and whether it is good enough. */
import type { Talk } from './pair.js';
import type { Holding } from './server.js';
import type { Visit } from './visit.js';

/** Milliseconds that one in a hundred of the pair's messages may take longer than. */
const P99_MS = 100;
/** By how much more memory than before may be held afterwards. */
const GROWTH = 1.1;

export interface Result {
  /** How the server ended, with its last words; undefined if it didn't. */
  died: string | undefined;
  before: Holding;
  /** The most of each that was seen. */
  during: Holding;
  after: Holding | undefined;
  talk: Talk;
  guests: { calls: number; turnedAway: string[] };
  visits: readonly Visit[];
}

const name = ({ stage, manner }: Visit) => `${stage}, ${manner}`;

/** @returns a sentence for each thing that must not be */
export function faults({ died, before, after, talk, guests, visits }: Result): string[] {
  const found: string[] = [];
  if (died !== undefined) found.push(`the server ended: ${died}`);
  if (talk.lost + talk.doubled + talk.outOfOrder > 0)
    found.push(`${talk.lost} messages lost, ${talk.doubled} doubled, ${talk.outOfOrder} out of order`);
  found.push(...talk.troubles);
  if (talk.p99 === undefined || talk.p99 >= P99_MS)
    found.push(`one in a hundred of the pair's messages took ${talk.p99?.toFixed(0)} ms or longer`);
  if (guests.turnedAway.length > 0)
    found.push(`${guests.turnedAway.length} of ${guests.calls} newcomers weren't let in`);
  found.push(...guests.turnedAway.slice(0, 10));
  for (const [what, count] of counted(visits.filter(({ end }) => end === 'held')))
    found.push(`${count} held on to: ${what}`);
  if (after === undefined) return found;
  if (after.descriptors > before.descriptors)
    found.push(`${after.descriptors - before.descriptors} descriptors are left open`);
  if (after.resident > before.resident * GROWTH)
    found.push(`memory is ${Math.round((after.resident / before.resident - 1) * 100)} % over before`);
  return found;
}

function counted(visits: readonly Visit[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const visit of visits) counts.set(name(visit), (counts.get(name(visit)) ?? 0) + 1);
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}

const mb = (bytes: number) => `${(bytes / 1_000_000).toFixed(0)} MB`;

export function report(result: Result): string {
  const { before, during, after, talk, guests, visits } = result;
  const ms = (value: number | undefined) => `${value?.toFixed(1) ?? '–'} ms`;
  const holding = ({ resident, used, descriptors }: Holding) =>
    `${mb(resident)} in memory (${mb(used)} used by JavaScript), ${descriptors} descriptors`;
  const ends = (['left', 'let go', 'refused', 'held'] as const)
    .map((end) => `${visits.filter((visit) => visit.end === end).length} ${end}`)
    .join(', ');
  const refused = [...counted(visits.filter(({ end }) => end === 'refused'))].slice(0, 5);
  const found = faults(result);
  return [
    `restarts: ${result.died === undefined ? 0 : 1}`,
    `the pair: ${talk.sent} messages, ${talk.lost} lost, ${talk.doubled} doubled, ${talk.outOfOrder} out of order; p50 ${ms(talk.p50)}, p99 ${ms(talk.p99)}`,
    `newcomers: ${guests.calls}, ${guests.turnedAway.length} not let in`,
    `hostile connections: ${visits.length} (${ends})`,
    ...refused.map(([what, count]) => `  ${count} refused: ${what}`),
    `before: ${holding(before)}`,
    `during: ${holding(during)}, at most`,
    `after:  ${after ? holding(after) : '–'}`,
    ...(found.length > 0 ? ['', 'What must not be:', ...found.map((text) => `- ${text}`)] : []),
  ].join('\n');
}
