import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { type Field, mistakeIn } from '../account.js';
import { ApiError, askDoor, exchange, login, register, type SignedIn } from '../api.js';
import { errorText, t } from '../i18n/index.js';
import { dropLink, link } from '../link.js';
import { expired, leftBehind, session, signedOut, signIn } from '../session.js';
import { Board } from './banner.js';
import { CodeField } from './code-field.js';
import { Icon } from './icons.js';
import { LanguagePicker } from './language.js';

type Place = Field | 'code';
type Problem = { field: Place | null; text: string };

/**
 * Signing in and up: one page, two words of difference.
 * @param unsent messages of whoever's session has ended: somebody else's coming in would lose them
 */
export function Auth({ unsent }: { unsent: number }) {
  /** The code of an invite that the page was opened with. */
  const invite = link.value?.code;
  const creating = useSignal(invite !== undefined);
  const busy = useSignal(false);
  /** The password was right, and a code of the second factor is asked for. */
  const codeAsked = useSignal(false);
  const problem = useSignal<Problem | null>(null);
  const instead = useSignal<SignedIn | null>(null);
  /** Whether nobody can make an account here, and whether a proxy says who this is. */
  const closed = useSignal(false);
  const vouched = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  const again = expired.value;

  useLayoutEffect(() => {
    form.current?.querySelector<HTMLElement>(`[name=${again ? 'password' : 'username'}]`)?.focus();
  }, []);

  // Where it has no answer, the form says so in time.
  useEffect(() => {
    askDoor().then(
      (door) => {
        closed.value = door.registration === 'closed';
        vouched.value = door.vouched;
        if (door.vouched && !signedOut.peek()) void enter();
      },
      () => {},
    );
  }, []);

  function goOn(fresh: SignedIn) {
    if (unsent > 0 && again && fresh.user_id !== session.peek()?.user_id) instead.value = fresh;
    else signIn(fresh);
  }

  async function enter(): Promise<void> {
    if (busy.value) return;
    busy.value = true;
    problem.value = null;
    try {
      goOn(await exchange());
    } catch (error) {
      problem.value = { field: null, text: explain(error).text };
    } finally {
      busy.value = false;
    }
  }

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!form.current || busy.value) return;
    const data = new FormData(form.current);
    const username = String(data.get('username') ?? '').trim();
    const password = String(data.get('password') ?? '');
    const mistake = mistakeIn(username, password);
    problem.value = mistake && { field: mistake.field, text: t(mistake.key, mistake.values) };
    if (!problem.value) {
      busy.value = true;
      try {
        if (creating.value) {
          await register({ username, password, invite });
          dropLink();
        }
        const code = String(data.get('code') ?? '').trim();
        goOn(await login({ username, password, ...(code && { code }) }, data.get('foreign') === null));
        return;
      } catch (error) {
        problem.value = explain(error);
        if (problem.value.field === 'code') codeAsked.value = true;
      } finally {
        busy.value = false;
      }
    }
    // Where the mistake is, there the cursor goes, even if its field has just come.
    await Promise.resolve();
    form.current?.querySelector<HTMLElement>(`[name=${problem.value.field ?? 'username'}]`)?.focus();
  }

  const at = (field: Place) => (problem.value?.field === field ? problem.value.text : '');
  return (
    <main class="auth">
      <Board />
      <div class="card">
        <img class="logo" src="/icons/icon.svg" alt="" width="56" height="56" />
        <h1>{t(creating.value ? 'signUpTitle' : 'signInTitle')}</h1>
        <p class="tagline">{t(again ? 'again' : invite === undefined ? 'tagline' : 'invited')}</p>
        {leftBehind.value && (
          <p class="wrong whole" role="alert">
            {t('leftBehind')}
          </p>
        )}
        {instead.value && (
          <Instead fresh={instead.value} unsent={unsent} onCancel={() => (instead.value = null)} />
        )}
        {vouched.value ? (
          <Vouched problem={problem.value?.text ?? ''} busy={busy.value} onEnter={() => void enter()} />
        ) : (
          <form ref={form} method="post" action="/login" noValidate onSubmit={submit}>
            <div class="field">
              <label for="username">{t('username')}</label>
              <input
                id="username"
                name="username"
                type="text"
                dir="auto"
                autocomplete="username"
                autocapitalize="none"
                spellcheck={false}
                defaultValue={again ? (session.value?.username ?? '') : ''}
                aria-invalid={at('username') !== ''}
                aria-describedby="username-note"
                required
              />
              <p id="username-note" class={at('username') ? 'note wrong' : 'note'}>
                {at('username') || (creating.value && t('usernameHint'))}
              </p>
            </div>
            <Password creating={creating.value} wrong={at('password')} />
            {codeAsked.value && (
              <>
                <CodeField problem="code-note" wrong={at('code') !== ''} />
                <p id="code-note" class="note wrong" role="alert">
                  {at('code')}
                </p>
              </>
            )}
            <label class="check">
              <input type="checkbox" name="foreign" />
              <span>{t('foreignDevice')}</span>
            </label>
            <p class="wrong whole" role="alert">
              {problem.value && problem.value.field === null && problem.value.text}
            </p>
            <button type="submit" class="primary" aria-disabled={busy.value}>
              {t(busy.value ? 'working' : creating.value ? 'signUp' : 'signIn')}
            </button>
          </form>
        )}
        {!vouched.value && !(closed.value && !creating.value) && (
          <p class="switch">
            {t(creating.value ? 'toSignIn' : 'toSignUp')}{' '}
            <button
              type="button"
              class="link"
              onClick={() => {
                creating.value = !creating.value;
                codeAsked.value = false;
                problem.value = null;
              }}
            >
              {t(creating.value ? 'signIn' : 'signUp')}
            </button>
          </p>
        )}
      </div>
      <LanguagePicker />
    </main>
  );
}

/** Where a proxy says who this is, nothing needs to be typed. */
function Vouched({ problem, busy, onEnter }: { problem: string; busy: boolean; onEnter: () => void }) {
  return (
    <>
      <p class="wrong whole" role="alert">
        {problem}
      </p>
      <button type="button" class="primary" aria-disabled={busy} onClick={onEnter}>
        {t(busy ? 'working' : 'signIn')}
      </button>
    </>
  );
}

/** Says what would be lost before it is. */
function Instead({ fresh, unsent, onCancel }: { fresh: SignedIn; unsent: number; onCancel: () => void }) {
  return (
    <div class="sure" role="alert">
      <p>{t('insteadUnsent', { n: unsent, name: session.value?.username ?? '' })}</p>
      <button type="button" class="plain danger" onClick={() => signIn(fresh)}>
        {t('insteadAnyway')}
      </button>
      <button type="button" class="plain" onClick={onCancel}>
        {t('cancel')}
      </button>
    </div>
  );
}

export function Password({ creating, wrong }: { creating: boolean; wrong: string }) {
  const shown = useSignal(false);
  return (
    <div class="field">
      <label for="password">{t('password')}</label>
      <div class="with-button">
        <input
          id="password"
          name="password"
          {...(shown.value ? ({ type: 'text' } as const) : ({ type: 'password' } as const))}
          autocomplete={creating ? 'new-password' : 'current-password'}
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={wrong !== ''}
          aria-describedby="password-note"
          required
        />
        <button
          type="button"
          class="round"
          aria-pressed={shown.value}
          onClick={() => {
            shown.value = !shown.value;
          }}
        >
          <Icon name={shown.value ? 'eyeOff' : 'eye'} />
          <span class="vh">{t(shown.value ? 'hidePassword' : 'showPassword')}</span>
        </button>
      </div>
      <p id="password-note" class={wrong ? 'note wrong' : 'note'}>
        {wrong || (creating && t('passwordHint'))}
      </p>
    </div>
  );
}

const places: Record<string, Place> = {
  username_taken: 'username',
  username_invalid: 'username',
  username_mixed: 'username',
  username_reserved: 'username',
  username_confusable: 'username',
  username_required: 'username',
  password_required: 'password',
  password_too_short: 'password',
  password_too_long: 'password',
  unauthorized: 'password',
  code_needed: 'code',
  code_wrong: 'code',
};

function explain(error: unknown): Problem {
  const { code, retryAfterMs = 1000 } = error instanceof ApiError ? error : { code: 'other' };
  const text = errorText(code === 'unauthorized' ? 'wrong' : code, { n: Math.ceil(retryAfterMs / 1000) });
  return { field: places[code] ?? null, text };
}
