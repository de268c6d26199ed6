import { type Signal, useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { Group, GroupChange } from '../../../../schemas/group.js';
import { GROUPS } from '../../../../schemas/limits.js';
import type { User } from '../../../../schemas/user.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { closeCover } from '../../route.js';
import type { Thread } from '../../thread.js';
import { Avatar } from '../avatar.js';
import { Dialog } from '../dialog.js';
import { useAttempt } from './attempt.js';
import { Choice } from './choice.js';
import { type Member, Members } from './members.js';
import { Picker } from './picker.js';
import { Sure } from './sure.js';
import { TitleField, titleMistake, topicMistake } from './title.js';

/** What a group is, who is in it, and what one may do about that. */
export function GroupInfo({ client, thread }: { client: Client; thread: Thread }) {
  const adding = useSignal(false);
  const members = useSignal<readonly Member[] | null>(null);
  const group = thread.group.value;
  const id = thread.conversationId;
  const close = () => {
    if (adding.value) adding.value = false;
    else closeCover();
  };
  const title = adding.value ? t('addPeople') : t(`kind.${group?.kind ?? 'group'}`);
  return (
    <Dialog title={title} onClose={close}>
      {group && id !== null ? (
        adding.value ? (
          <Adding
            client={client}
            id={id}
            there={members.value?.map(({ user }) => user.user_id) ?? []}
            onDone={() => {
              adding.value = false;
            }}
          />
        ) : (
          <Facts
            client={client}
            id={id}
            group={group}
            thread={thread}
            members={members}
            onAdd={() => (adding.value = true)}
          />
        )
      ) : (
        <p class="note">{t(thread.gone.value ? 'noGroupText' : 'loadingMessage')}</p>
      )}
    </Dialog>
  );
}

interface FactsProps {
  client: Client;
  id: number;
  group: Group;
  thread: Thread;
  members: Signal<readonly Member[] | null>;
  onAdd: () => void;
}

function Facts({ client, id, group, thread, members, onAdd }: FactsProps) {
  const { problem, attempt } = useAttempt();
  const change = (what: GroupChange) =>
    void attempt(async () => void (await client.api.changeGroup(id, what)));
  const leads = !group.archived && (group.role === 'owner' || group.role === 'moderator');
  return (
    <>
      <div class="profile">
        <Avatar user={thread.user.value} />
        <div>
          <p class="title">
            <bdi>{group.title}</bdi>
          </p>
          <p class="note">{t('members', { n: group.members })}</p>
        </div>
      </div>
      {group.topic && (
        <p class="topic">
          <span class="vh">{t('topicIs')} </span>
          <bdi>{group.topic}</bdi>
        </p>
      )}
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {group.role === null ? (
        <p class="note">{t('notInGroup')}</p>
      ) : (
        <>
          {group.archived && <p class="note">{t('archived')}</p>}
          {(group.posting === 'all' || leads) && (
            <button type="button" class="primary" onClick={onAdd}>
              {t('addPeople')}
            </button>
          )}
          <Members client={client} id={id} group={group} members={members} />
          {leads && <Title client={client} id={id} title={group.title} topic={group.topic ?? ''} />}
          {leads && group.role === 'owner' && (
            <>
              <Choice
                legend={t('posting')}
                name="posting"
                values={[
                  ['all', t('posting.all')],
                  ['moderators', t('posting.moderators')],
                ]}
                value={group.posting}
                onChoose={(posting) => change({ posting })}
              />
              <Choice
                legend={t('history')}
                name="history"
                values={[
                  ['all', t('history.all')],
                  ['joining', t('history.joining')],
                ]}
                value={group.history}
                onChoose={(history) => change({ history })}
              />
            </>
          )}
          <Sure
            label={t('leave')}
            question={t('leaveSure')}
            onSure={() =>
              void attempt(async () => {
                await client.api.removeMember(id, client.me.user_id);
                closeCover();
              })
            }
          />
        </>
      )}
    </>
  );
}

interface TitleProps {
  client: Client;
  id: number;
  title: string;
  topic: string;
}

function Title({ client, id, title, topic }: TitleProps) {
  const form = useRef<HTMLFormElement>(null);
  const { problem, busy, attempt } = useAttempt();
  /** The field whose text can't be taken. */
  const wrong = useSignal<'title' | 'topic' | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    if (!form.current) return;
    const written = new FormData(form.current);
    const fresh = { title: String(written.get('title') ?? ''), topic: String(written.get('topic') ?? '') };
    const mistake = titleMistake(fresh.title);
    problem.value = mistake || topicMistake(fresh.topic);
    wrong.value = mistake ? 'title' : problem.peek() ? 'topic' : null;
    if (problem.value === '') await attempt(async () => void (await client.api.changeGroup(id, fresh)));
  };
  return (
    <form ref={form} class="group-form" noValidate onSubmit={(event) => void save(event)}>
      <TitleField
        key={`title ${title}`}
        value={title}
        problem="title-problem"
        wrong={wrong.value === 'title'}
      />
      <TitleField
        key={`topic ${topic}`}
        name="topic"
        value={topic}
        problem="title-problem"
        wrong={wrong.value === 'topic'}
      />
      <p id="title-problem" class="wrong whole" role="alert">
        {problem.value}
      </p>
      <button type="submit" class="plain" aria-disabled={busy.value}>
        {t('save')}
      </button>
    </form>
  );
}

interface AddingProps {
  client: Client;
  id: number;
  /** Who is in it, as far as that was read. */
  there: readonly number[];
  onDone: () => void;
}

function Adding({ client, id, there, onDone }: AddingProps) {
  const chosen = useSignal<readonly User[]>([]);
  const { problem, busy, attempt } = useAttempt();
  const add = () =>
    attempt(async () => {
      const users = chosen.peek();
      client.users.learn(users);
      for (let at = 0; at < users.length; at += GROUPS.addedAtOnce)
        await client.api.addMembers(
          id,
          users.slice(at, at + GROUPS.addedAtOnce).map(({ user_id }) => user_id),
        );
      onDone();
    });
  return (
    <>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      <Picker client={client} chosen={chosen} without={there} focused />
      <button
        type="button"
        class="primary"
        aria-disabled={busy.value || chosen.value.length === 0}
        onClick={() => {
          if (chosen.value.length > 0) void add();
        }}
      >
        {busy.value ? t('working') : t('add')}
      </button>
    </>
  );
}
