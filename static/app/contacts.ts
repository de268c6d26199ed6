import { computed, signal } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Blocks, Contacts as Known } from '../../schemas/contact.js';
import type { Api } from './api.js';

type Lists = Omit<Static<typeof Known>, 'version'> & Static<typeof Blocks>;
/** How somebody stands to the user. */
export type Standing = 'contact' | 'asked' | 'asking' | 'blocked';

/** Whom the user knows, and whom they have blocked. */
export function createContacts(api: Api) {
  /** Null before the server has said. */
  const lists = signal<Lists | null>(null);
  const standings = computed(() => {
    const { contacts = [], asked = [], asking = [], blocked = [] } = lists.value ?? {};
    const by = new Map<number, Standing>();
    for (const { user_id } of contacts) by.set(user_id, 'contact');
    for (const { user_id } of asked) by.set(user_id, 'asked');
    for (const { user_id } of asking) by.set(user_id, 'asking');
    for (const { user_id } of blocked) by.set(user_id, 'blocked');
    return by;
  });
  /** Of what is shown, and of what the server has said that there is. */
  let version = -1;
  let wanted = -1;
  let reading: Promise<void> | undefined;

  async function readAll(): Promise<void> {
    do {
      const [{ version: read, ...known }, { blocked }] = await Promise.all([api.contacts(), api.blocks()]);
      version = read;
      lists.value = { ...known, blocked };
    } while (version < wanted);
  }

  async function read(): Promise<void> {
    reading ??= readAll().finally(() => {
      reading = undefined;
    });
    await reading;
  }

  return {
    lists,
    of: (user: number): Standing | undefined => standings.value.get(user),
    read,

    /** The server has another version. */
    heard(news: number): void {
      wanted = Math.max(wanted, news);
      // What can't be read now is read when the line is up again.
      if (version < wanted) read().catch(() => {});
    },

    /** Has something changed, and reads what that made of it. @throws ApiError */
    async change(work: Promise<unknown>): Promise<void> {
      await work;
      // One that is under way may have begun before.
      await reading?.catch(() => {});
      await read();
    },
  };
}
