import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Reactions } from '../../../../schemas/change.js';
import { asked } from '../../chosen.js';
import type { Client } from '../../client.js';
import { ago } from '../../format.js';
import { t } from '../../i18n/later.js';
import { messageApi } from '../../message-api.js';
import { closeCover } from '../../route.js';
import type { Thread } from '../../thread.js';
import { Avatar } from '../avatar.js';
import { Dialog } from '../dialog.js';
import { useAttempt } from '../groups/attempt.js';
import { Name } from '../name.js';

type Reaction = Static<typeof Reactions>['reactions'][number];

/** Who reacts to a message, and by what. */
export function Reactors({ client, thread }: { client: Client; thread: Thread }) {
  const reactions = useSignal<readonly Reaction[] | null>(null);
  const next = useSignal<string | null>(null);
  const { problem, attempt } = useAttempt();
  const id = thread.conversationId;
  const message = asked.peek()?.message;
  const seq = message && 'seq' in message ? message.seq : 0;

  const read = async (cursor: string | null) => {
    if (id === null) return;
    const page = await messageApi(client.api).reactions(id, seq, cursor);
    client.users.learn(page.reactions.map(({ user }) => user));
    reactions.value = [...(reactions.peek() ?? []), ...page.reactions];
    next.value = page.next_cursor;
  };
  useSignalEffect(() => void attempt(() => read(null)));

  const after = next.value;
  return (
    <Dialog title={t('whoReacts')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {reactions.value === null && problem.value === '' && (
        <p class="note" role="status">
          {t('loadingMessage')}
        </p>
      )}
      {reactions.value?.length === 0 && <p class="note">{t('noReactions')}</p>}
      <ul class="known faces">
        {reactions.value?.map(({ user, emoji, at }) => (
          <li key={`${user.user_id} ${emoji}`}>
            <Avatar user={user} />
            <span class="device">
              <Name user={user} />
              <span class="note">{ago(at)}</span>
            </span>
            <span class="emoji-sign">{emoji}</span>
          </li>
        ))}
      </ul>
      {after !== null && (
        <button type="button" class="plain" onClick={() => void attempt(() => read(after))}>
          {t('more')}
        </button>
      )}
    </Dialog>
  );
}
