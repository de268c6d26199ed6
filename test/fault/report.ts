/** A run in a few lines, and what is needed to find out why one failed. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failures, type Verdict } from './checker.js';
import type { Entry, Evidence } from './diary.js';
import type { RunResult } from './run.js';
import { stories } from './story.js';
import type { Longest } from './waits.js';
import type { World } from './world.js';

const seconds = (ms: number | undefined) => (ms === undefined || ms === 0 ? '–' : (ms / 1000).toFixed(2));

function waitRows({ waits }: Verdict, { faults }: Evidence): string[] {
  const kinds = [
    ...new Set([...faults.map(({ kind }) => kind), ...waits.silence.keys(), ...waits.lateness.keys()]),
  ];
  const pair = (longest: Longest | undefined) =>
    `${seconds(longest?.alone)} / ${seconds(longest?.among)}`.padStart(15);
  return kinds.sort().map((kind) => {
    const count = faults.filter((fault) => fault.kind === kind).length;
    const { silence, lateness, catchUp } = waits;
    const cells = [silence, lateness, catchUp].map((wait) => pair(wait.get(kind)));
    return `${kind.padEnd(18)}${String(count).padStart(6)}${cells.join('')}`;
  });
}

export function report(result: RunResult, verdict: Verdict): string {
  const { evidence, troubles } = result;
  const { messages, owed, arrived, lost, doubled, outOfOrder, unsent, repeated, excused, givenUp } = verdict;
  const bad = [...failures(verdict)].flatMap(([rule, findings]) => [
    `${rule}: ${findings.length}`,
    ...findings
      .slice(0, 5)
      .map(({ what, user, content }) => `  user ${user}: ${what} ${content?.slice(0, 30) ?? ''}`),
    ...stories(evidence, findings),
  ]);
  return [
    `${evidence.faults.length} faults in ${result.seconds.toFixed(0)} s, ${messages} messages: ` +
      `${owed} owed, ${arrived} arrived`,
    `lost ${lost.length}, doubled ${doubled.length}, out of order ${outOfOrder.length}, ` +
      `sent by nobody ${unsent.length}`,
    `plain: ${repeated} repeated after a break, ${excused} missing after an error`,
    `extended: ${givenUp} given up once they were refused`,
    `changes: ${verdict.wishes} edits, deletions and reactions, ${verdict.unkept.length} not kept, ` +
      `${verdict.diverged.length} devices that hold another state`,
    `groups: ${verdict.changes} changes of members, ${verdict.refused} messages refused to who was out, ` +
      `${verdict.leaked.length} told to who was out`,
    `not shown: ${verdict.toldHeads} times told how far it goes`,
    '',
    'longest waits in seconds, while alone / among other faults',
    `${'fault'.padEnd(18)} count${'silence'.padStart(15)}${'lateness'.padStart(15)}${'catching up'.padStart(15)}`,
    ...waitRows(verdict, evidence),
    ...(bad.length > 0 ? ['', ...bad] : []),
    ...troubles.map((trouble) => `trouble: ${trouble}`),
  ].join('\n');
}

/** What a user wrote down about these contents, and about its connections. */
function excerpt(entries: readonly Entry[], contents: ReadonlySet<string>): Entry[] {
  const ids = new Set(
    entries.flatMap((entry) =>
      entry.type === 'send' && contents.has(entry.content) && entry.id !== undefined ? [entry.id] : [],
    ),
  );
  return entries.filter((entry) => {
    // What changed is there by other texts, or none.
    if ('state' in entry && entry.state !== undefined) return true;
    if ('content' in entry) return contents.has(entry.content);
    if (entry.type === 'sent') return ids.has(entry.id);
    return entry.type !== 'receipt';
  });
}

/** Writes the findings, the diaries of those whom they concern (`whole`: of all), the faults and the servers' logs. */
export async function save(
  folder: string,
  { result, verdict, world, whole }: { result: RunResult; verdict: Verdict; world: World; whole: boolean },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const found = failures(verdict);
  const findings = [...found.values()].flat();
  const contents = new Set(findings.flatMap(({ content }) => content ?? []));
  const { evidence } = result;
  const concerned = evidence.diaries.filter(
    ({ user, entries }) =>
      findings.some((finding) => finding.user === user) ||
      entries.some((entry) => entry.type === 'send' && contents.has(entry.content)),
  );
  const diaries = concerned.map(({ user, kind, entries }) => ({
    user,
    kind,
    entries: excerpt(entries, contents),
  }));
  const write = (name: string, value: unknown) =>
    writeFile(join(folder, name), JSON.stringify(value, undefined, 1));
  await write('findings.json', Object.fromEntries(found));
  await write('diaries.json', diaries);
  if (whole) await write('all.json', evidence.diaries);
  await write('faults.json', { faults: evidence.faults, away: evidence.away, troubles: result.troubles });
  for (const replica of world.replicas) await replica.saveLog(join(folder, `${replica.name}.log`));
}
