import { useSignal } from '@preact/signals';
import { codeOf } from '../../api.js';
import { groupError } from '../../i18n/later.js';

/** Tries one thing at a time, and says what went wrong with it. */
export function useAttempt() {
  const problem = useSignal('');
  const busy = useSignal(false);
  return {
    problem,
    busy,
    async attempt(work: () => Promise<void>): Promise<void> {
      if (busy.peek()) return;
      busy.value = true;
      try {
        await work();
        problem.value = '';
      } catch (error) {
        problem.value = groupError(codeOf(error));
      } finally {
        busy.value = false;
      }
    },
  };
}
