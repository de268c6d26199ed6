import { useSignal } from '@preact/signals';
import type { User } from '../../../schemas/user.js';
import { codeOf } from '../api.js';
import type { Client } from '../client.js';
import { errorText, t } from '../i18n/later.js';

/** What changes how somebody stands to the user, and what went wrong with it. */
export function useChange(client: Client) {
  const problem = useSignal('');
  return {
    problem,
    async change(work: Promise<unknown>): Promise<void> {
      try {
        await client.contacts.change(work);
        problem.value = '';
      } catch (error) {
        const code = codeOf(error);
        problem.value = code === 'not_accepted' ? t('cannotAsk') : errorText(code);
      }
    },
  };
}

/** In place of what one would write in. */
export function Blocked({ client, user }: { client: Client; user: User }) {
  const { problem, change } = useChange(client);
  return (
    <div class="composer blocked">
      <p role="status">{problem.value || t('standing.blocked', { name: user.username })}</p>
      <button type="button" class="plain" onClick={() => void change(client.api.unblock(user.user_id))}>
        {t('unblock')}
      </button>
    </div>
  );
}
