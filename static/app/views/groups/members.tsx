import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Group, Members as Page, Role } from '../../../../schemas/group.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { openThread } from '../../route.js';
import { Avatar } from '../avatar.js';
import { Icon } from '../icons.js';
import { Name } from '../name.js';
import { useAttempt } from './attempt.js';
import { Sure } from './sure.js';

export type Member = Static<typeof Page>['members'][number];

const page = 50;
const roles: readonly Role[] = ['owner', 'moderator', 'member'];

interface MembersProps {
  client: Client;
  id: number;
  group: Group;
  /** Those that were read; null before any were. */
  members: Signal<readonly Member[] | null>;
}

/** Who is in a group, and what may be done about that. */
export function Members({ client, id, group, members }: MembersProps) {
  const { api, me } = client;
  const next = useSignal<number | null>(null);
  const { problem, attempt } = useAttempt();
  const read = async (after: number) => {
    const found = await api.members(id, after, page);
    client.users.learn(found.members.map(({ user }) => user));
    members.value = [...(after > 0 ? (members.peek() ?? []) : []), ...found.members];
    next.value = found.next_cursor;
  };
  useSignalEffect(() => void attempt(() => read(0)));

  const setRole = (user: number, role: Role) =>
    attempt(async () => {
      await api.setRole(id, user, role);
      members.value =
        members.peek()?.map((one) => (one.user.user_id === user ? { ...one, role } : one)) ?? null;
    });
  const remove = (user: number) =>
    attempt(async () => {
      await api.removeMember(id, user);
      members.value = members.peek()?.filter((one) => one.user.user_id !== user) ?? null;
    });

  const row = ({ user, role }: Member) => {
    const { user_id, username: name } = user;
    const self = user_id === me.user_id;
    const owns = group.role === 'owner' && !group.archived;
    const mayRemove = !self && !group.archived && (owns || (group.role === 'moderator' && role === 'member'));
    const face = (
      <>
        <Avatar user={user} />
        <span class="device">
          <Name user={user} />
          {self && <span class="note"> ({t('me')})</span>}
        </span>
        {role !== 'member' && <span class="note role">{t(`role.${role}`)}</span>}
      </>
    );
    if (self && !owns)
      return (
        <li key={user_id} class="alone">
          {face}
        </li>
      );
    const named = <span class="vh"> {name}</span>;
    return (
      <li key={user_id}>
        <details>
          <summary>
            {face}
            <Icon name="down" />
          </summary>
          <div class="actions">
            {!self && (
              <button
                type="button"
                class="plain"
                onClick={() => {
                  client.directory.ensure(user);
                  openThread(user_id);
                }}
              >
                {t('writeTo', { name })}
              </button>
            )}
            {owns &&
              roles
                .filter((other) => other !== role)
                .map((other) => (
                  <button
                    key={other}
                    type="button"
                    class="plain"
                    onClick={() => void setRole(user_id, other)}
                  >
                    {t(`make.${other}`)}
                    {named}
                  </button>
                ))}
            {mayRemove && (
              <Sure
                label={t('remove')}
                whom={name}
                question={t('removeSure', { name })}
                onSure={() => void remove(user_id)}
              />
            )}
          </div>
        </details>
      </li>
    );
  };

  const after = next.value;
  return (
    <section aria-label={t('inIt')}>
      <h3>{t('inIt')}</h3>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {members.value === null && problem.value === '' && <p class="note">{t('loadingMessage')}</p>}
      <ul class="accounts faces">{members.value?.map(row)}</ul>
      {after !== null && (
        <button type="button" class="plain" onClick={() => void attempt(() => read(after))}>
          {t('more')}
        </button>
      )}
    </section>
  );
}
