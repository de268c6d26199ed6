import { effect, type Signal, signal } from '@preact/signals';
import type { User } from '../../schemas/user.js';
import { type Api, ApiError } from './api.js';
import { within } from './within.js';

const atOnce = 4;
const namedWithin = 3_000;

/** What people are called whom one meets in groups: asked for when it is to be shown, each once. */
export function createUsers(api: Api, me: User) {
  const known = new Map<number, Signal<User>>([[me.user_id, signal(me)]]);
  /** Whose names are to be asked for, each with a group that they are met in. */
  const waiting = new Map<number, number>();
  /** Whose names could not be told: there was no line. */
  const missed = new Map<number, number>();
  const asked = new Set<number>();
  let asking = 0;

  function entry(id: number): Signal<User> {
    const found = known.get(id) ?? signal<User>({ user_id: id, username: '' });
    known.set(id, found);
    return found;
  }

  function learn(users: readonly User[]): void {
    for (const user of users) {
      const name = entry(user.user_id);
      const { username, deleted, alike } = name.peek();
      if (username !== user.username || deleted !== user.deleted || alike !== user.alike) name.value = user;
      waiting.delete(user.user_id);
    }
  }

  /** Where the server shows people to their contacts alone, those of a group are found in it. */
  async function ask(id: number, group: number): Promise<User> {
    try {
      return await api.user(id);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'user_not_found') throw error;
    }
    const { members } = await api.members(group, id - 1, 1);
    return members.find(({ user }) => user.user_id === id)?.user ?? { user_id: id, username: `#${id}` };
  }

  function pump(): void {
    for (const [id, group] of waiting) {
      if (asking >= atOnce) return;
      waiting.delete(id);
      asking++;
      ask(id, group)
        .then(
          (user) => learn([user]),
          () => missed.set(id, group),
        )
        .finally(() => {
          asking--;
          pump();
        });
    }
  }

  /** @param group the conversation that they are met in */
  function of(id: number, group: number): User {
    const user = entry(id).value;
    if (user.username === '' && !asked.has(id)) {
      asked.add(id);
      waiting.set(id, group);
      queueMicrotask(pump);
    }
    return user;
  }

  return {
    learn,
    of,

    /** Somebody with their name, if that can be told soon. */
    async named(id: number, group: number): Promise<User> {
      of(id, group);
      let stop = () => {};
      const known = new Promise<void>((resolve) => {
        stop = effect(() => {
          if (entry(id).value.username !== '') resolve();
        });
      });
      await within(namedWithin, known).catch(() => {});
      stop();
      return entry(id).peek();
    },

    /** Those of them whose names are known. */
    knownOf: (ids: Iterable<number>): User[] =>
      Array.from(new Set(ids)).flatMap((id) => {
        const user = known.get(id)?.peek();
        return user?.username ? [user] : [];
      }),

    /** All whose names are known. */
    met: (): User[] =>
      [...known.values()].map((user) => user.peek()).filter(({ username }) => username !== ''),

    /** The line is up again. */
    askAgain(): void {
      for (const [id, group] of missed) waiting.set(id, group);
      missed.clear();
      pump();
    },
  };
}

export type Users = ReturnType<typeof createUsers>;
