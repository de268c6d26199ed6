/** A server that is broken on purpose: it reads who is in a conversation before it locks that. */
import { readFile } from 'node:fs/promises';

/** The statement that puts a function that appends in the place of the right one, with its third step before its second. */
export async function membersBeforeLock(): Promise<string> {
  const file = await readFile(new URL('../../sql/migrations/0015_mentions.sql', import.meta.url), 'utf8');
  const text = /create function append_4\(.*?\nend \$\$;\n/s.exec(file)?.[0] ?? '';
  const steps = /( {2}-- \(2\)\n.*?)( {2}-- \(3\)\n.*?)(?= {2}-- \(4\)\n)/s;
  if (!steps.test(text)) throw new Error('the function no longer has its steps where they were');
  return text.replace('create function', 'create or replace function').replace(steps, '$2$1');
}
