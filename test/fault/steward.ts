/** The owners of groups, over HTTP: they make them, and have people go and come back all the while. */
import { askOn } from './ask.js';
import { now, sleep } from './clock.js';
import type { Change } from './diary.js';
import type { Door } from './link.js';
import type { Group, Many } from './many.js';
import type { Random } from './random.js';

/** People who are added at one time. */
const atOnce = 100;
/** Milliseconds from one change of a group to the next. */
const between = [800, 5000] as const;
const slice = 100;
/** An attempt that was left without an answer may be carried out as late as this: the opposite waits so long. */
const lingers = 15_000;
/** How often somebody who is out comes back, rather than that another one goes. */
const returns = 0.6;

interface Means {
  doors: readonly Door[];
  tokenOf(user: number): string;
  random: Random;
}

/** Makes these groups. @throws Error if that isn't done in a minute */
export async function makeGroups(drafts: readonly Group[], { doors, tokenOf, random }: Means): Promise<Many> {
  const many = new Map<number, Group>();
  for (const [index, draft] of drafts.entries()) {
    const { owner, members, history, kind } = draft;
    const token = tokenOf(owner);
    const others = members.filter((user) => user !== owner);
    const body = {
      id: `group-${index}`,
      title: `Group ${index}`,
      ...{ history, kind },
      user_ids: others.slice(0, atOnce),
    };
    const post = async (path: string, said: object) => {
      const { data, error } = await askOn(doors, random, { method: 'POST', path, token, body: said });
      if (data === undefined) throw new Error(`${path}: ${error}`);
      return data;
    };
    const id = (await post('/api/conversations', body)).number('conversation_id');
    for (let from = atOnce; from < others.length; from += atOnce)
      await post(`/api/conversations/${id}/members`, { user_ids: others.slice(from, from + atOnce) });
    many.set(id, draft);
  }
  return many;
}

export interface Steward {
  /** What was asked so far, oldest first. */
  readonly changes: Change[];
  start(): void;
  /** Ends it, once it is known what became of all that was asked. */
  stop(): Promise<void>;
}

/** @param may whether somebody is one of those who go and come back */
export function makeSteward(
  many: Many,
  means: Means & { may(user: number): boolean; trouble(what: string): void },
): Steward {
  const { doors, tokenOf, may, trouble } = means;
  const changes: Change[] = [];
  let lanes: Promise<void>[] = [];
  let going = false;

  async function pause(ms: number): Promise<void> {
    for (const end = now() + ms; going && now() < end; ) await sleep(slice);
  }

  /** @returns whether it may be carried out once more, later */
  async function carryOut(change: Change, owner: number, random: Random): Promise<boolean> {
    const { conversation, user, does } = change;
    const path = `/api/conversations/${conversation}/members`;
    const token = tokenOf(owner);
    const { status, error, inDoubt } = await askOn(
      doors,
      random,
      does === 'removed'
        ? { method: 'DELETE', path: `${path}/${user}`, token }
        : { method: 'POST', path, token, body: { user_ids: [user] } },
    );
    // Asked again, a change that was done is found done.
    const isDone = status === 200 || (does === 'removed' && inDoubt && error === 'member_not_found');
    if (!isDone) throw new Error(`${does} ${user} in ${conversation}: ${status} ${error}`);
    change.answered = now();
    return inDoubt;
  }

  async function lane(conversation: number, { owner, members }: Group, random: Random): Promise<void> {
    const movable = members.filter((user) => user !== owner && may(user));
    const out = new Set<number>();
    const resting = new Map<number, number>();
    while (going) {
      await pause(random.int(...between));
      const free = movable.filter((user) => (resting.get(user) ?? 0) < now());
      const [away, here] = [free.filter((user) => out.has(user)), free.filter((user) => !out.has(user))];
      const list = away.length > 0 && (here.length === 0 || random.chance(returns)) ? away : here;
      if (!going || list.length === 0) continue;
      const user = random.pick(list);
      const does = out.has(user) ? 'added' : 'removed';
      const change: Change = { conversation, user, does, begun: now(), answered: undefined };
      changes.push(change);
      if (await carryOut(change, owner, random)) resting.set(user, now() + lingers);
      if (!out.delete(user)) out.add(user);
    }
  }

  return {
    changes,
    start() {
      going = true;
      lanes = [...many].map(([conversation, group]) =>
        lane(conversation, group, means.random.fork(`group ${conversation}`)).catch((error: unknown) =>
          trouble(`steward: ${error}`),
        ),
      );
    },
    async stop() {
      going = false;
      await Promise.all(lanes);
    },
  };
}
