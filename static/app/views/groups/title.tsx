import { GROUPS } from '../../../../schemas/limits.js';
import { t } from '../../i18n/later.js';

/** What is wrong with a title, in words; the server looks closer. */
export function titleMistake(title: string): string {
  const n = [...title.normalize('NFC').trim()].length;
  if (n === 0) return t('titleMissing');
  return n > GROUPS.title ? t('titleLong', { max: GROUPS.title, n }) : '';
}

/** The same of a topic. */
export function topicMistake(topic: string): string {
  const n = [...topic.normalize('NFC').trim()].length;
  return n > GROUPS.topic ? t('topicLong', { max: GROUPS.topic, n }) : '';
}

interface TitleFieldProps {
  name?: 'title' | 'topic';
  value: string;
  /** The id of what says what is wrong. */
  problem: string;
  wrong: boolean;
}

/** A line in which a title is written, or a topic. */
export function TitleField({ name = 'title', value, problem, wrong }: TitleFieldProps) {
  return (
    <div class="field">
      <label for={name}>{t(name)}</label>
      <input
        id={name}
        name={name}
        type="text"
        dir="auto"
        defaultValue={value}
        autocomplete="off"
        aria-invalid={wrong}
        aria-describedby={problem}
        required={name === 'title'}
      />
    </div>
  );
}
