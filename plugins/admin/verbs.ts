import { ACCOUNTS } from '../../schemas/limits.js';
import { type Change, countAll, listAccounts, listAudit } from '../../sql/accounts.js';
import { listInvites } from '../../sql/invites.js';
import { setNotice } from '../../sql/notices.js';
import { reachOf } from '../../sql/search-index.js';
import { listSessions } from '../../sql/sessions.js';
import { GROUP_VERBS } from './group-verbs.js';
import {
  type Desk,
  day,
  type Given,
  Misuse,
  meant,
  more,
  PAGE,
  plain,
  type Verb,
  whole,
  whom,
} from './verb.js';

/** The page's address is known to the operator alone. */
const open = (path: string) => `  <address of the page>${path}`;

const USER: Pick<Verb, 'word' | 'options'> = { word: true, options: ['id'] };

const changing = (change: Change, done: string, does: string): Verb => ({
  ...USER,
  form: 'NAME',
  does,
  example: 'alice',
  async run(desk, given) {
    const user = await meant(desk, given);
    await desk.accounts.change(change, user.user_id, undefined);
    return [`${whom(user)} ${done}`];
  },
});

async function listed(desk: Desk, { word: beginning, number }: Given): Promise<string[]> {
  const limit = number('limit', 1000) ?? PAGE;
  const rows = await desk.ask((sql) => listAccounts(sql, { beginning, after: number('after'), limit }));
  const remarks = (row: (typeof rows)[number]) => [
    ...(row.is_admin ? ['admin'] : []),
    ...(row.suspended_at ? [`suspended ${day(row.suspended_at)}`] : []),
    ...(row.lookalike ? ['looks like somebody else'] : []),
  ];
  return [
    ...rows.map((row) => [whom(row), `since ${day(row.created_at)}`, ...remarks(row)].join(', ')),
    ...(rows.length === 0 ? ['nobody'] : more(rows, limit, 'after', rows.at(-1)?.user_id)),
  ];
}

/** By group and name; a group of one verb has it without a name. */
export const VERBS: Record<string, Record<string, Verb>> = {
  users: {
    list: {
      form: '[--after ID] [--limit N]',
      does: 'everybody, by number',
      example: '--after 50',
      options: ['after', 'limit'],
      run: listed,
    },
    find: {
      form: 'BEGINNING [--after ID] [--limit N]',
      does: 'whose name begins so',
      example: 'ali',
      word: true,
      options: ['after', 'limit'],
      async run(desk, given) {
        if (given.word === undefined) throw new Misuse('Say how the name begins.');
        return listed(desk, given);
      },
    },
    create: {
      form: 'NAME',
      does: 'makes an account, and a link by which its owner sets the password',
      example: 'alice',
      word: true,
      async run({ accounts }, { word }) {
        const name = (word ?? '').trim().normalize('NFC');
        if (name === '') throw new Misuse('Say what the account is called.');
        const made = await accounts.create(name, undefined);
        const user = { user_id: made.user_id, username: name };
        return [`${whom(user)} is made, and sets a password here, once and until tomorrow:`, open(made.path)];
      },
    },
    suspend: changing('suspend', 'is out and stays out', 'out of every device at once, and not let in again'),
    restore: changing('restore', 'may come in again', 'ends a suspension'),
    reset: {
      ...USER,
      form: 'NAME',
      does: 'a link, good for a day and once, that sets a new password',
      example: 'alice',
      async run(desk, given) {
        const user = await meant(desk, given);
        const { path } = await desk.accounts.createReset(user.user_id, undefined);
        return [`${whom(user)} sets a new password here, once and until tomorrow:`, open(path)];
      },
    },
    'end-second-factor': changing(
      'end_second_factor',
      'signs in with the password alone',
      'for who has lost phone and recovery codes',
    ),
    promote: changing('promote', 'is an admin', 'makes somebody an admin'),
    demote: changing('demote', 'is no admin', 'makes somebody no admin; the last one stays'),
    sessions: {
      form: 'NAME [--end]',
      does: 'where somebody is signed in; --end signs out everywhere',
      example: 'alice --end',
      word: true,
      options: ['id', 'end'],
      async run(desk, given) {
        const user = await meant(desk, given);
        if (given.is('end')) {
          await desk.accounts.change('sign_out', user.user_id, undefined);
          return [`${whom(user)} is signed out everywhere`];
        }
        const rows = await desk.ask((sql) => listSessions(sql, user.user_id));
        if (rows.length === 0) return [`${whom(user)} is signed in nowhere`];
        return rows.map(
          ({ device, address, seen_at, created_at }) =>
            `${plain(device)} from ${plain(address)}, seen ${seen_at}, since ${created_at}`,
        );
      },
    },
    delete: {
      form: 'NAME [--messages] --yes',
      does: 'empties who somebody was, for good; --messages: what they wrote, too',
      example: 'alice --messages --yes',
      word: true,
      options: ['id', 'messages', 'yes'],
      async run(desk, given) {
        const user = await meant(desk, given);
        if (!given.is('yes'))
          throw new Misuse(`Nobody can undo this: say --yes if ${whom(user)} is to be deleted.`);
        await desk.accounts.delete(user.user_id, given.is('messages'), undefined);
        return [`${whom(user)} is deleted`];
      },
    },
  },
  invites: {
    list: {
      form: '[--before ID] [--limit N]',
      does: 'invites, newest first',
      example: '--limit 10',
      options: ['before', 'limit'],
      async run(desk, { number }) {
        const limit = number('limit', 1000) ?? PAGE;
        const rows = await desk.ask((sql) => listInvites(sql, number('before'), limit));
        if (rows.length === 0) return ['none'];
        return [
          ...rows.map((row) => {
            const by = row.made_by === null ? 'the operator' : `#${row.made_by}`;
            const state = row.revoked_at
              ? 'revoked'
              : `good for ${row.uses_left} until ${row.expires_at.toISOString()}`;
            return `${row.invite_id}, by ${by}, ${state}`;
          }),
          ...more(rows, limit, 'before', rows.at(-1)?.invite_id),
        ];
      },
    },
    create: {
      form: '[--uses N] [--hours N]',
      does: 'a link that makes accounts: one in a week, unless said otherwise',
      example: '--uses 5 --hours 48',
      options: ['uses', 'hours'],
      async run({ accounts }, { number }) {
        const hours = number('hours', ACCOUNTS.inviteHours) ?? 168;
        const { invite_id, uses_left, expires_at, path } = await accounts.createInvite(
          hours,
          number('uses', ACCOUNTS.inviteUses) ?? 1,
          undefined,
        );
        return [`invite ${invite_id}, good for ${uses_left} until ${expires_at.toISOString()}:`, open(path)];
      },
    },
    revoke: {
      form: 'ID',
      does: 'an invite is good for nobody any more',
      example: '3',
      word: true,
      async run({ accounts }, { word }) {
        const id = whole(word ?? '', Number.MAX_SAFE_INTEGER);
        if (id === undefined) throw new Misuse('Say which: the number that `invites list` gives.');
        await accounts.revokeInvite(id, undefined);
        return [`invite ${id} is revoked`];
      },
    },
  },
  groups: GROUP_VERBS,
  announce: {
    '': {
      form: '"WORDS" | --end',
      does: 'a line on every page, seen within five minutes, until --end takes it away',
      example: '"Back at eight after an update"',
      word: true,
      options: ['end'],
      async run({ ask }, given) {
        const words = given.word?.trim() ?? '';
        if ((words === '') !== given.is('end')) throw new Misuse('Say what, or --end.');
        if (words.length > ACCOUNTS.notice || words !== plain(words))
          throw new Misuse(`It should be one line of at most ${ACCOUNTS.notice} characters.`);
        await ask((sql) => setNotice(sql, words === '' ? null : words));
        return [
          words === '' ? 'nothing is on the pages any more' : 'it is on every page within five minutes',
        ];
      },
    },
  },
  check: {
    '': {
      form: '',
      does: 'database, bus, versions, search, counts',
      example: '',
      async run(desk) {
        const { works, lines } = await desk.state();
        if (!works) throw new Misuse(lines.join('\n'));
        const counts = await desk.ask(countAll);
        const indexed = await desk.ask(reachOf);
        lines.push(
          `search: ${indexed === 1 ? 'all' : `${Math.floor(indexed * 100)} % of the conversations`} indexed`,
        );
        return [...lines, ...Object.entries(counts).map(([name, n]) => `${name.replaceAll('_', ' ')}: ${n}`)];
      },
    },
  },
  audit: {
    '': {
      form: '[--before ID] [--limit N]',
      does: 'who did what, newest first, by numbers',
      example: '--limit 10',
      options: ['before', 'limit'],
      async run(desk, { number }) {
        const limit = number('limit', 1000) ?? PAGE;
        const rows = await desk.ask((sql) => listAudit(sql, number('before'), limit));
        return [
          ...rows.map((row) => {
            const by = row.actor_id === null ? 'the operator' : `#${row.actor_id}`;
            const user = row.user_id === null ? '' : ` #${row.user_id}`;
            const invite = row.invite_id === null ? '' : ` invite ${row.invite_id}`;
            const group = row.conversation_id === null ? '' : ` group ${row.conversation_id}`;
            return `${row.audit_id}, ${row.at.toISOString()}, ${by}: ${row.action}${user}${invite}${group}`;
          }),
          ...(rows.length === 0 ? ['nothing'] : more(rows, limit, 'before', rows.at(-1)?.audit_id)),
        ];
      },
    },
  },
};
