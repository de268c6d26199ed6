import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { MemberReceipts } from '../../../../schemas/group.js';
import { asked } from '../../chosen.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { closeCover } from '../../route.js';
import type { Thread } from '../../thread.js';
import { Avatar } from '../avatar.js';
import { Dialog } from '../dialog.js';
import { Name } from '../name.js';
import { useAttempt } from './attempt.js';

type Receipt = Static<typeof MemberReceipts>['receipts'][number];

/** Who of a group has a message of one's own, and who has read it. */
export function Receipts({ client, thread }: { client: Client; thread: Thread }) {
  const receipts = useSignal<readonly Receipt[] | null>(null);
  const next = useSignal<number | null>(null);
  const { problem, attempt } = useAttempt();
  const id = thread.conversationId;
  const message = asked.peek()?.message;
  const seq = message && 'seq' in message ? message.seq : 0;

  const read = async (after: number) => {
    if (id === null) return;
    const page = await client.api.receipts(id, after);
    receipts.value = [...(receipts.peek() ?? []), ...page.receipts];
    next.value = page.next_cursor;
  };
  useSignalEffect(() => void attempt(() => read(0)));

  const others = receipts.value?.filter(({ user_id }) => user_id !== client.me.user_id);
  const list = (key: 'readBy' | 'hasIt' | 'notYet', those: readonly Receipt[] | undefined) => {
    if (!those?.length || id === null) return null;
    const title = t(key, { n: those.length });
    return (
      <section aria-label={title}>
        <h3>{title}</h3>
        <ul class="known faces">
          {those.map(({ user_id }) => {
            const user = client.users.of(user_id, id);
            return (
              <li key={user_id}>
                <Avatar user={user} />
                <span class="device">
                  <Name user={user} />
                </span>
              </li>
            );
          })}
        </ul>
      </section>
    );
  };
  const after = next.value;
  return (
    <Dialog title={t('whoHasIt')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      <p class="note" role="status">
        {others === undefined
          ? problem.value === '' && t('loadingMessage')
          : others.length === 0 && after === null && t('nobodyElse')}
      </p>
      {list(
        'readBy',
        others?.filter(({ read_seq }) => read_seq >= seq),
      )}
      {list(
        'hasIt',
        others?.filter(({ read_seq, delivered_seq }) => read_seq < seq && delivered_seq >= seq),
      )}
      {list(
        'notYet',
        others?.filter(({ read_seq, delivered_seq }) => read_seq < seq && delivered_seq < seq),
      )}
      {after !== null && (
        <button type="button" class="plain" onClick={() => void attempt(() => read(after))}>
          {t('more')}
        </button>
      )}
    </Dialog>
  );
}
