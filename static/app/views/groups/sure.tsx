import { useSignal } from '@preact/signals';
import { t } from '../../i18n/later.js';

interface SureProps {
  label: string;
  /** For a screen reader, which meets the same label several times. */
  whom?: string;
  question: string;
  onSure: () => void;
}

/** Says what it means before it is done. */
export function Sure({ label, whom, question, onSure }: SureProps) {
  const asked = useSignal(false);
  const button = (onClick: () => void) => (
    <button type="button" class="plain danger" onClick={onClick}>
      {label}
      {whom && <span class="vh"> {whom}</span>}
    </button>
  );
  if (!asked.value) return button(() => (asked.value = true));
  return (
    <div class="sure" role="alert">
      <p>{question}</p>
      {button(onSure)}
      <button type="button" class="plain" onClick={() => (asked.value = false)}>
        {t('cancel')}
      </button>
    </div>
  );
}
