import { t } from '../i18n/index.js';
import { language, languages } from '../settings.js';

const names = { en: 'English', zh: '简体中文' };

export function LanguagePicker() {
  return (
    <label class="language">
      <span>{t('language')}</span>
      <select
        value={language.value}
        onChange={(event) => {
          const chosen = languages.find((value) => value === event.currentTarget.value);
          if (chosen) language.value = chosen;
        }}
      >
        {languages.map((value) => (
          <option key={value} value={value} lang={value === 'auto' ? undefined : value}>
            {value === 'auto' ? t('language.auto') : names[value]}
          </option>
        ))}
      </select>
    </label>
  );
}
