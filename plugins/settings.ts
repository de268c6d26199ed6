import { setTimeout as sleep } from 'node:timers/promises';
import fp from 'fastify-plugin';
import type { SettingsChange } from '../schemas/settings.js';
import type { Sql } from '../sql/handle.js';
import { mutedUntil, setMuted, setSettings } from '../sql/settings.js';
import { type OwnState, ownStates } from '../sql/unread.js';
import type { Own } from './bus/parcel.js';
import type { OwnFrame } from './connection/own-frames.js';
import { codeOf, within } from './db/failure.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    settings: UserSettings;
  }
}

/** Where counting unread messages stops. */
export const UNREAD_AT_MOST = 1000;
/** Milliseconds until what could not be read is read again, and what waits for that at most. */
const AGAIN_MS = 1000;
const WAITING = 10_000;

interface UserSettings {
  /**
   * Changes what a user has set of a conversation, and tells their devices.
   * @throws ChatError `conversation_not_found`, `message_not_found`, `too_many_pinned`
   */
  change(user: number, conversation: number, change: SettingsChange): Promise<void>;
  /** Has a user notified of nothing until then, and tells their devices; null: not any more. */
  mute(user: number, until: number | null): Promise<void>;
  /** What a user has set of a conversation is another now: their devices are told, on all instances. */
  tell(user: number, conversation: number): void;
  /** How a user stands in a conversation. @throws ChatError `conversation_not_found` */
  state(user: number, conversation: number): Promise<OwnState>;
}

const frameOf = ({ conversation, settings, unread, mentions, read }: OwnState): OwnFrame => ({
  type: 'conversation',
  conversation_id: conversation,
  ...{ settings, unread, mentions, read_seq: read },
});

/** What users set for themselves, and the word of it to their devices. */
export default fp(
  async (app) => {
    const { db, hub, log } = app;
    const waiting = new Map<string, Own>();
    let telling = false;
    let closed = false;

    /** Has those who are here told how it is then, whatever the order in which that was asked. */
    const tellHere = (list: readonly Own[]) => {
      for (const own of list)
        if (hub.isHere(own.to) && waiting.size < WAITING)
          waiting.set(`${own.to}:${own.conversation ?? ''}`, own);
      if (!telling && waiting.size > 0) void tellAll();
    };
    const tellAll = async () => {
      telling = true;
      while (waiting.size > 0 && !closed) {
        const list = [...waiting.values()];
        waiting.clear();
        try {
          await tellThese(list);
        } catch (error) {
          log.debug({ err: error }, 'own settings could not be told, trying again');
          for (const own of list) waiting.set(`${own.to}:${own.conversation ?? ''}`, own);
          await sleep(AGAIN_MS, undefined, { ref: false });
        }
      }
      telling = false;
    };
    const tellThese = async (list: readonly Own[]) => {
      const places = list.flatMap(({ to: user, conversation }) =>
        conversation === undefined ? [] : [{ user, conversation }],
      );
      const users = list.flatMap(({ to, conversation }) => (conversation === undefined ? [to] : []));
      const states = places.length === 0 ? [] : await read(places);
      const muted = users.length === 0 ? [] : await db.delivery.ask((sql) => mutedUntil(sql, users));
      for (const state of states) write(state.user, frameOf(state));
      for (const { user, until } of muted) write(user, { type: 'me', muted_until: until });
    };
    const read = (places: readonly { user: number; conversation: number }[]) =>
      db.delivery.ask((sql) => ownStates(sql, places, UNREAD_AT_MOST));
    const write = (user: number, frame: OwnFrame) => {
      for (const connection of hub.connectionsOf(user)) connection.sendOwn(frame);
    };
    const tell = (own: Own) => {
      tellHere([own]);
      void hub.router.tellOwn([own]);
    };

    /** @throws ChatError `overloaded` where somebody holds the user's row for longer than anybody waits, and what `within` throws */
    const changed = async <T>(question: (sql: Sql) => Promise<T>): Promise<T> => {
      try {
        return await within(db.requests, question);
      } catch (error) {
        throw codeOf(error) === '55P03' ? new ChatError('overloaded') : error;
      }
    };

    hub.router.onOwn = tellHere;
    app.addHook('onClose', async () => {
      closed = true;
    });
    app.decorate('settings', {
      async change(user, conversation, change) {
        const done = await changed((sql) => setSettings(sql, user, conversation, change));
        if (typeof done === 'object') throw new ChatError(done.problem);
        if (done) tell({ to: user, conversation });
      },
      async mute(user, until) {
        if (await changed((sql) => setMuted(sql, user, until))) tell({ to: user });
      },
      tell: (user, conversation) => tell({ to: user, conversation }),
      async state(user, conversation) {
        const [state] = await within(db.requests, (sql) =>
          ownStates(sql, [{ user, conversation }], UNREAD_AT_MOST),
        );
        if (state === undefined) throw new ChatError('conversation_not_found');
        return state;
      },
    });
  },
  { name: 'settings', dependencies: ['db', 'errors', 'hub'] },
);
