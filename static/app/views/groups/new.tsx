import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { GROUPS } from '../../../../schemas/limits.js';
import type { User } from '../../../../schemas/user.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { randomId } from '../../id.js';
import { touch } from '../../keys.js';
import { closeCover, openThread } from '../../route.js';
import { Dialog } from '../dialog.js';
import { useAttempt } from './attempt.js';
import { Choice } from './choice.js';
import { Picker } from './picker.js';
import { TitleField, titleMistake } from './title.js';

/** Making a group: a title, whom, and whether others find it. */
export function NewGroup({ client }: { client: Client }) {
  const form = useRef<HTMLFormElement>(null);
  const kind = useSignal<'group' | 'channel'>('group');
  const chosen = useSignal<readonly User[]>([]);
  const { problem, busy, attempt } = useAttempt();
  /** Asked for again, it is the same group. */
  const id = useMemo(randomId, []);
  useEffect(() => {
    if (!touch.matches) form.current?.querySelector('input')?.focus();
  }, []);

  async function make(event: Event): Promise<void> {
    event.preventDefault();
    if (!form.current) return;
    const title = String(new FormData(form.current).get('title') ?? '');
    problem.value = titleMistake(title);
    if (problem.value !== '') {
      form.current.querySelector('input')?.focus();
      return;
    }
    await attempt(async () => {
      const users = chosen.peek();
      const user_ids = users.slice(0, GROUPS.addedAtOnce).map(({ user_id }) => user_id);
      const made = await client.api.makeGroup({ id, title, kind: kind.peek(), user_ids });
      // More than are added at one time.
      for (let at = GROUPS.addedAtOnce; at < users.length; at += GROUPS.addedAtOnce)
        await client.api.addMembers(
          made.conversation_id,
          users.slice(at, at + GROUPS.addedAtOnce).map(({ user_id }) => user_id),
        );
      client.users.learn(users);
      const thread = client.directory.hear(made);
      if (thread) openThread(thread.peer);
    });
  }

  return (
    <Dialog title={t('newGroup')} onClose={closeCover}>
      <form ref={form} class="group-form" noValidate onSubmit={(event) => void make(event)}>
        <TitleField value="" problem="group-problem" wrong={problem.value !== ''} />
        <p id="group-problem" class="wrong whole" role="alert">
          {problem.value}
        </p>
        <Choice
          legend={t('kind')}
          name="kind"
          values={[
            ['group', t('kind.group')],
            ['channel', t('kind.channel')],
          ]}
          value={kind.value}
          onChoose={(value) => {
            kind.value = value;
          }}
        />
        <p class="note">{t(`hint.${kind.value}`)}</p>
        <Picker client={client} chosen={chosen} />
        <button type="submit" class="primary" aria-disabled={busy.value}>
          {busy.value ? t('working') : t('create')}
        </button>
      </form>
    </Dialog>
  );
}
