import { type Signal, useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import { useMemo } from 'preact/hooks';
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
/** Rows that are drawn in one frame. */
const atOnce = 8;
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
  const { api } = client;
  const next = useSignal<number | null>(null);
  const { problem, attempt } = useAttempt();
  const read = async (after: number) => {
    const found = await api.members(id, after, page);
    client.users.learn(found.members.map(({ user }) => user));
    const before = after > 0 ? (members.peek() ?? []) : [];
    for (let shown = atOnce; shown < page + atOnce; shown += atOnce) {
      members.value = [...before, ...found.members.slice(0, shown)];
      if (shown < found.members.length) await new Promise(requestAnimationFrame);
    }
    next.value = found.next_cursor;
  };
  useSignalEffect(() => void attempt(() => read(0)));

  // The same for all rows as long as this is shown: one that has not changed isn't drawn again.
  const act = useMemo(
    () => ({
      setRole: (user: number, role: Role) =>
        void attempt(async () => {
          await api.setRole(id, user, role);
          members.value =
            members.peek()?.map((one) => (one.user.user_id === user ? { ...one, role } : one)) ?? null;
        }),
      remove: (user: number) =>
        void attempt(async () => {
          await api.removeMember(id, user);
          members.value = members.peek()?.filter((one) => one.user.user_id !== user) ?? null;
        }),
    }),
    [id],
  );

  const after = next.value;
  return (
    <section aria-label={t('inIt')}>
      <h3>{t('inIt')}</h3>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {members.value === null && problem.value === '' && <p class="note">{t('loadingMessage')}</p>}
      <ul class="accounts faces">
        {members.value?.map((member) => (
          <Row key={member.user.user_id} client={client} group={group} member={member} act={act} />
        ))}
      </ul>
      {after !== null && (
        <button
          key={after}
          ref={seen}
          type="button"
          class="plain"
          onClick={() => void attempt(() => read(after))}
        >
          {t('more')}
        </button>
      )}
    </section>
  );
}

interface RowProps {
  client: Client;
  group: Group;
  member: Member;
  act: { setRole: (user: number, role: Role) => void; remove: (user: number) => void };
}

/** Somebody who is in it. What may be done about them is there once it is asked for. */
function Row({ client, group, member: { user, role }, act }: RowProps) {
  const open = useSignal(false);
  const isOpen = open.value;
  const { user_id, username: name } = user;
  const self = user_id === client.me.user_id;
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
  if (self && !owns) return <li class="alone">{face}</li>;
  const named = <span class="vh"> {name}</span>;
  return (
    <li>
      <details
        onToggle={({ currentTarget }) => {
          open.value = currentTarget.open;
        }}
      >
        <summary>
          {face}
          <Icon name="down" />
        </summary>
        {isOpen && (
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
                  <button key={other} type="button" class="plain" onClick={() => act.setRole(user_id, other)}>
                    {t(`make.${other}`)}
                    {named}
                  </button>
                ))}
            {mayRemove && (
              <Sure
                label={t('remove')}
                whom={name}
                question={t('removeSure', { name })}
                onSure={() => act.remove(user_id)}
              />
            )}
          </div>
        )}
      </details>
    </li>
  );
}

/** Presses what comes into sight: a list goes on by itself. */
function seen(button: HTMLButtonElement | null): void {
  if (!button) return;
  const near = new IntersectionObserver(
    ([entry]) => {
      if (!entry?.isIntersecting) return;
      near.disconnect();
      button.click();
    },
    { rootMargin: '600px' },
  );
  near.observe(button);
}
