import { t } from '../i18n/later.js';
import { follow, type Session } from '../session.js';

/** This window was somebody else's: it doesn't change hands without a word. */
export function Successor({ session }: { session: Session }) {
  return (
    <main class="auth">
      <div class="card">
        <img class="logo" src="/icons/icon.svg" alt="" width="56" height="56" />
        <h1>{t('successorTitle', { name: session.username })}</h1>
        <p class="tagline">{t('successorText')}</p>
        <button type="button" class="primary" onClick={follow}>
          {t('successorGo', { name: session.username })}
        </button>
      </div>
    </main>
  );
}
