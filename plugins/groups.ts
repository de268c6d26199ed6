import fp from 'fastify-plugin';
import type { Conversation } from '../schemas/conversation.js';
import type { NewGroup } from '../schemas/group.js';
import { titleProblem, topicProblem } from '../schemas/group.js';
import { GROUPS } from '../schemas/limits.js';
import { sizeOf } from '../schemas/size.js';
import { listConversations } from '../sql/conversation-list.js';
import {
  type Changed,
  changeGroup,
  type GroupAction,
  isInGroup,
  makeGroup,
  type Problem,
} from '../sql/groups.js';
import type { Sql } from '../sql/handle.js';
import { codeOf, gaveWay, within } from './db/failure.js';
import { ChatError } from './errors.js';
import { UNREAD_AT_MOST } from './settings.js';

declare module 'fastify' {
  interface FastifyInstance {
    groups: Groups;
  }
}

/** Tries of a change that the database has undone for the sake of another one. */
const TRIES = 5;

interface Groups {
  /**
   * Makes a group, or finds the one that its maker made by the same id.
   * @returns its number
   * @throws ChatError
   */
  make(user: number, body: NewGroup): Promise<number>;
  /** @throws ChatError: why they may not */
  change(user: number, conversation: number, action: GroupAction): Promise<void>;
  /** @throws ChatError `conversation_not_found` unless the user is in that group */
  require(user: number, conversation: number): Promise<void>;
  /**
   * A conversation as its user sees it in the list.
   * @throws ChatError `conversation_not_found`
   */
  find(user: number, conversation: number): Promise<Conversation>;
}

/** @throws ChatError `title_invalid` */
function checkedTitle(said: string): string {
  const title = said.trim().normalize('NFC');
  const problem = titleProblem(title);
  if (problem !== undefined) throw new ChatError('title_invalid', problem);
  return title;
}

/** @throws ChatError `topic_invalid` */
function checkedTopic(said: string): string {
  const topic = said.trim().normalize('NFC');
  const problem = topicProblem(topic);
  if (problem !== undefined) throw new ChatError('topic_invalid', problem);
  return topic;
}

/** An action with its texts as they are stored. @throws ChatError `title_invalid`, `topic_invalid` */
function checked(action: GroupAction): GroupAction {
  if (action.does !== 'set') return action;
  const { title, topic } = action;
  return {
    ...action,
    ...(title !== undefined && { title: checkedTitle(title) }),
    ...(topic !== undefined && { topic: checkedTopic(topic) }),
  };
}

/** Groups and channels: what is done to them is stored as messages are, and told to the same people. */
export default fp(
  async (app) => {
    const { db, hub, config } = app;
    const acquainted = config.DIRECTORY === 'contacts';

    /** Asks the database for a change where it may wait for the row, and tells of it who is to hear. */
    const change = async (user: number, asked: (sql: Sql) => Promise<Changed | Problem>): Promise<number> => {
      const done = await patiently(() => within(db.held, asked));
      if ('problem' in done) throw new ChatError(done.problem);
      const { conversation, createdAt, members, channel } = done;
      const size = sizeOf(members.length, channel);
      const place = { conversation, from: user, to: undefined, members, createdAt, size };
      const nothing = { clientId: '', content: '', again: false, receipts: false };
      if (done.events.length > 0)
        hub.router.onStored(
          done.events.map((stored) => ({ message: { ...place, ...stored, ...nothing }, senders: [] })),
        );
      return conversation;
    };

    const groups: Groups = {
      make(user, { id, title, topic = '', user_ids = [], kind = 'group', posting = 'all', history = 'all' }) {
        const texts = { title: checkedTitle(title), topic: checkedTopic(topic) };
        const named = { kind, ...texts, posting, history, clientId: id, people: user_ids };
        const bounds = { acquainted, made: GROUPS.made, members: GROUPS.members };
        return change(user, (sql) => makeGroup(sql, user, named, bounds));
      },
      async change(user, conversation, action) {
        const said = checked(action);
        const bounds = { acquainted, members: GROUPS.members, channelMembers: GROUPS.channelMembers };
        await change(user, (sql) => changeGroup(sql, conversation, user, said, bounds));
      },
      async require(user, conversation) {
        if (!(await within(db.requests, (sql) => isInGroup(sql, user, conversation))))
          throw new ChatError('conversation_not_found');
      },
      async find(user, only) {
        const { conversations } = await within(db.requests, (sql) =>
          listConversations(sql, user, { only, limit: 1, unreadAtMost: UNREAD_AT_MOST }),
        );
        const [found] = conversations;
        if (found === undefined) throw new ChatError('conversation_not_found');
        return found;
      },
    };
    app.decorate('groups', groups);
  },
  { name: 'groups', dependencies: ['config', 'conversations', 'db', 'hub', 'settings'] },
);

/** Tries again what has not happened, since others were in its way. @throws ChatError `overloaded`, and what the work throws */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let left = TRIES; left > 0; left--)
    try {
      return await work();
    } catch (error) {
      // Somebody holds the row for longer than anybody waits.
      if (codeOf(error) === '55P03') break;
      if (!gaveWay(error)) throw error;
    }
  throw new ChatError('overloaded');
}
