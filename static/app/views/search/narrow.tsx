import type { Signal } from '@preact/signals';
import type { User } from '../../../../schemas/user.js';
import type { Client } from '../../client.js';
import type { Narrow } from '../../found.js';
import { t } from '../../i18n/later.js';
import { isWhole, rosterOf } from '../../roster.js';
import type { Thread } from '../../thread.js';
import { nameOf } from '../name.js';

const offered = 300;

/** Whom one writes with, and whose names were met in groups. */
function everybodyMet(client: Client): User[] {
  const users = client.directory.listed.value.map((one) => one.user.value);
  return [...new Map([...users, ...client.users.met()].map((user) => [user.user_id, user])).values()];
}

interface NarrowProps {
  client: Client;
  thread: Thread | null;
  narrow: Signal<Narrow>;
}

/** Where, by whom and when. */
export function NarrowDown({ client, thread, narrow }: NarrowProps) {
  const { conversation, from, since, until } = narrow.value;
  const set = (change: Partial<Narrow>) => {
    narrow.value = { ...narrow.peek(), ...change };
  };
  const here = thread?.conversationId ?? null;
  const isOneGroup = here !== null && conversation === here && thread?.group.value != null;
  const group = isOneGroup && isWhole(thread) ? rosterOf(client, thread) : [];
  const people = (group.length > 0 ? group : everybodyMet(client))
    .filter((user) => user.user_id > 0 && user.user_id !== client.me.user_id && nameOf(user) !== '')
    .toSorted((x, y) => nameOf(x).localeCompare(nameOf(y)))
    .slice(0, offered);
  const count = [from !== null, since, until].filter(Boolean).length;
  return (
    <div class="narrow">
      {here !== null && thread && (
        <fieldset class="choice">
          <legend class="vh">{t('searchWhere')}</legend>
          {[null, here].map((id) => (
            <label key={id}>
              <input
                type="radio"
                name="where"
                checked={conversation === id}
                onChange={() => set({ conversation: id })}
              />
              <span>{id === null ? t('searchAll') : <bdi>{nameOf(thread.user.value)}</bdi>}</span>
            </label>
          ))}
        </fieldset>
      )}
      <details>
        <summary>
          {t('searchNarrow')}
          {count > 0 && <span class="badge">{count}</span>}
        </summary>
        <div class="fields">
          <label>
            <span>{t('searchFrom')}</span>
            <select
              value={from === null ? '' : String(from)}
              onChange={({ currentTarget }) =>
                set({ from: currentTarget.value === '' ? null : Number(currentTarget.value) })
              }
            >
              <option value="">{t('searchAnybody')}</option>
              <option value={String(client.me.user_id)}>{t('me')}</option>
              {people.map((user) => (
                <option key={user.user_id} value={String(user.user_id)}>
                  {nameOf(user)}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span>{t('searchSince')}</span>
            <input
              type="date"
              value={since}
              onChange={({ currentTarget }) => set({ since: currentTarget.value })}
            />
          </label>
          <label>
            <span>{t('searchUntil')}</span>
            <input
              type="date"
              value={until}
              onChange={({ currentTarget }) => set({ until: currentTarget.value })}
            />
          </label>
        </div>
      </details>
    </div>
  );
}
