import { archiveGroup, type GroupRow, listGroups, ownGroup } from '../../sql/group-desk.js';
import { ChatError } from '../errors.js';
import { type Given, Misuse, meant, more, PAGE, plain, type Verb, whole, whom } from './verb.js';

/** @throws Misuse */
function numberOf({ word }: Given): number {
  const id = whole(word ?? '', Number.MAX_SAFE_INTEGER);
  if (id === undefined) throw new Misuse('Say which: the number that `groups list` gives.');
  return id;
}

const remarks = ({ topic, members, owners, archived_at }: GroupRow) => [
  members === 1 ? '1 member' : `${members} members`,
  owners === '' ? 'nobody owns it' : `owned by ${owners}`,
  ...(topic === '' ? [] : [`topic: ${plain(topic)}`]),
  ...(archived_at === null ? [] : ['archived']),
];

/** What the operator does about groups. None of it is an event in them. */
export const GROUP_VERBS: Record<string, Verb> = {
  list: {
    form: '[TEXT] [--after ID] [--limit N]',
    does: 'groups and channels, by number, whose titles have that text',
    example: 'crew --limit 10',
    word: true,
    options: ['after', 'limit'],
    async run(desk, { word = '', number }) {
      const limit = number('limit', 1000) ?? PAGE;
      const rows = await desk.ask((sql) => listGroups(sql, word, number('after') ?? 0, limit));
      if (rows.length === 0) return ['none'];
      return [
        ...rows.map((row) =>
          [`${row.conversation_id}: ${plain(row.title)}`, row.kind, ...remarks(row)].join(', '),
        ),
        ...more(rows, limit, 'after', rows.at(-1)?.conversation_id),
      ];
    },
  },
  own: {
    form: 'NUMBER NAME',
    does: 'makes somebody an owner of a group, whether they are in it or not',
    example: '12 alice',
    word: true,
    second: true,
    options: ['id'],
    async run(desk, given) {
      const id = numberOf(given);
      const user = await meant(desk, { word: given.second, number: given.number });
      const problem = await desk.ask((sql) => ownGroup(sql, id, user.user_id));
      if (problem !== null) throw new ChatError(problem);
      return [`${whom(user)} owns group ${id}`];
    },
  },
  archive: {
    form: 'NUMBER',
    does: 'has nobody write to a group any more; it stays to be read',
    example: '12',
    word: true,
    async run(desk, given) {
      const id = numberOf(given);
      if (!(await desk.ask((sql) => archiveGroup(sql, id)))) throw new ChatError('conversation_not_found');
      return [`group ${id} is archived`];
    },
  },
};
