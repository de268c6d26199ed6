import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { passwordMistake } from '../account.js';
import { ApiError, resetPassword } from '../api.js';
import { errorText, t } from '../i18n/later.js';
import { dropLink } from '../link.js';
import { Password } from './auth.js';
import { Board } from './banner.js';
import { LanguagePicker } from './language.js';

/** Sets a new password by a link that an admin has given. @param code of the link */
export function Reset({ code }: { code: string }) {
  const busy = useSignal(false);
  const problem = useSignal<string | null>(null);
  /** Whose password is changed. */
  const done = useSignal<string | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const focus = () => form.current?.querySelector<HTMLElement>('[name=password]')?.focus();

  useLayoutEffect(focus, []);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!form.current || busy.value) return;
    const password = String(new FormData(form.current).get('password') ?? '');
    const mistake = passwordMistake(password);
    problem.value = mistake && t(mistake.key, mistake.values);
    if (!mistake) {
      busy.value = true;
      try {
        done.value = (await resetPassword(code, password)).username;
        return;
      } catch (error) {
        problem.value = errorText(error instanceof ApiError ? error.code : 'other');
      } finally {
        busy.value = false;
      }
    }
    focus();
  }

  return (
    <main class="auth">
      <Board />
      <div class="card">
        <img class="logo" src="/icons/icon.svg" alt="" width="56" height="56" />
        <h1>{t('resetTitle')}</h1>
        {done.value === null ? (
          <form ref={form} noValidate onSubmit={submit}>
            <p class="tagline">{t('resetText')}</p>
            <Password creating wrong={problem.value ?? ''} />
            <button type="submit" class="primary" aria-disabled={busy.value}>
              {t(busy.value ? 'working' : 'resetSubmit')}
            </button>
          </form>
        ) : (
          <>
            <p class="tagline" role="status">
              {t('resetDone', { name: done.value })}
            </p>
            <button type="button" class="primary" onClick={dropLink}>
              {t('signIn')}
            </button>
          </>
        )}
      </div>
      <LanguagePicker />
    </main>
  );
}
