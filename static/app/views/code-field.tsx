import { t } from '../i18n/index.js';

/** @param problem the id of what says what is wrong */
export function CodeField({ problem, wrong }: { problem: string; wrong: boolean }) {
  return (
    <div class="field">
      <label for="code">{t('code')}</label>
      <input
        id="code"
        name="code"
        type="text"
        autocomplete="one-time-code"
        autocapitalize="characters"
        spellcheck={false}
        aria-invalid={wrong}
        aria-describedby={problem}
        required
      />
    </div>
  );
}
