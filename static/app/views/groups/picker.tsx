import { type Signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { User } from '../../../../schemas/user.js';
import type { Client } from '../../client.js';
import { useEverybody } from '../../everybody.js';
import { t } from '../../i18n/later.js';
import { touch } from '../../keys.js';
import { Avatar } from '../avatar.js';
import { Filter } from '../filter.js';
import { Icon } from '../icons.js';
import { Name } from '../name.js';

interface PickerProps {
  client: Client;
  chosen: Signal<readonly User[]>;
  /** Those who aren't offered. */
  without?: readonly number[];
  /** Whether one begins there, where that opens no keyboard over what one looks at. */
  focused?: boolean;
}

/** Choosing people: those chosen stand above the list, so that a search hides none of them. */
export function Picker({ client, chosen, without = [], focused = false }: PickerProps) {
  const box = useRef<HTMLDivElement>(null);
  const query = useSignal('');
  const { shown, problem, onScroll } = useEverybody(client.api, query);
  const others = shown.filter(({ user_id: id }) => id !== client.me.user_id && !without.includes(id));
  const isChosen = (user: User) => chosen.value.some(({ user_id }) => user_id === user.user_id);
  const allBut = (user: User) => chosen.value.filter(({ user_id }) => user_id !== user.user_id);
  const search = () => {
    if (!touch.matches) box.current?.querySelector<HTMLElement>('.filter')?.focus();
  };
  useEffect(() => {
    if (focused) search();
  }, []);

  return (
    <div class="picker" ref={box}>
      {chosen.value.length > 0 && (
        <ul class="chosen" aria-label={t('chosen', { n: chosen.value.length })}>
          {chosen.value.map((user) => (
            <li key={user.user_id}>
              <button
                type="button"
                onClick={() => {
                  chosen.value = allBut(user);
                  // The button is gone.
                  search();
                }}
              >
                <bdi aria-hidden="true">{user.username}</bdi>
                <Icon name="close" />
                <span class="vh">{t('unchoose', { name: user.username })}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <Filter query={query} label={t('search')} />
      <ul class="people" onScroll={onScroll}>
        {others.map((user) => (
          <li key={user.user_id} class="entry">
            <label class="conversation person">
              <Avatar user={user} />
              <span class="name">
                <Name user={user} />
              </span>
              <input
                type="checkbox"
                checked={isChosen(user)}
                onChange={({ currentTarget: { checked } }) => {
                  chosen.value = checked ? [...allBut(user), user] : allBut(user);
                }}
              />
            </label>
          </li>
        ))}
      </ul>
      <p class="note" role="status">
        {problem || (chosen.value.length > 0 ? t('chosen', { n: chosen.value.length }) : '')}
      </p>
    </div>
  );
}
