import { GROUPS } from '../../../../schemas/limits.js';
import { t } from '../../i18n/later.js';

/** What is wrong with a title, in words; the server looks closer. */
export function titleMistake(title: string): string {
  const n = [...title.normalize('NFC').trim()].length;
  if (n === 0) return t('titleMissing');
  return n > GROUPS.title ? t('titleLong', { max: GROUPS.title, n }) : '';
}

/** @param problem the id of what says what is wrong */
export function TitleField({ value, problem, wrong }: { value: string; problem: string; wrong: boolean }) {
  return (
    <div class="field">
      <label for="title">{t('title')}</label>
      <input
        id="title"
        name="title"
        type="text"
        dir="auto"
        defaultValue={value}
        autocomplete="off"
        aria-invalid={wrong}
        aria-describedby={problem}
        required
      />
    </div>
  );
}
