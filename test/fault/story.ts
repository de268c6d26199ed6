/** What its sender's connection went through, for each message that something was found about: where chance had a part, it may not come again. */
import type { Diary, Entry, Evidence } from './diary.js';
import type { Finding } from './ledger.js';

/** Connections that are told of. */
const few = 5;

/** In a word; undefined of what is no event of the connection itself. */
function said(entry: Entry): string | undefined {
  switch (entry.type) {
    case 'connect':
      return `tried ${entry.replica}`;
    case 'open':
      return 'opened';
    case 'answered':
      return 'answered';
    case 'error':
      return `error "${entry.code || entry.text}"`;
    case 'close':
      return `closed ${entry.code}${entry.own ? ' by itself' : ''}`;
    default:
      return undefined;
  }
}

/** Lines that say what happened to the connections on which the found messages were sent first, in seconds since the first fault. */
export function stories(evidence: Evidence, findings: readonly Finding[]): string[] {
  const contents = new Set(findings.flatMap(({ content }) => content ?? []));
  const begun = evidence.faults[0]?.from ?? 0;
  const time = (ms: number) => ((ms - begun) / 1000).toFixed(2);
  const tell = ({ user, kind, entries }: Diary): string[] => {
    const sends = entries.filter((entry) => entry.type === 'send' && contents.has(entry.content));
    return [...new Set(sends.map(({ connection }) => connection))].map((connection) => {
      const own = entries.filter((entry) => entry.connection === connection);
      const events = own.flatMap((entry) => {
        const what = entry.type === 'send' && contents.has(entry.content) ? 'sent it' : said(entry);
        return what === undefined ? [] : `${time(entry.at)} ${what}`;
      });
      const [from, to] = [own[0]?.at ?? 0, own.at(-1)?.at ?? 0];
      const away = evidence.away
        .filter((one) => one.from <= to && one.to >= from)
        .map(({ what, name, ...one }) => `${`${what} ${name}`.trim()} ${time(one.from)} to ${time(one.to)}`);
      return [
        `  user ${user}, ${kind}, connection ${connection}: ${events.join(', ')}`,
        ...(away.length > 0 ? [`    away: ${away.join(', ')}`] : []),
      ].join('\n');
    });
  };
  return evidence.diaries.flatMap(tell).slice(0, few);
}
