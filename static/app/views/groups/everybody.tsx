import { useEffect, useRef } from 'preact/hooks';
import { t } from '../../i18n/later.js';

interface EverybodyProps {
  /** How many are notified. */
  n: number;
  onSure: () => void;
  onCancel: () => void;
}

/** Asked before all of a larger group are mentioned. */
export function Everybody({ n, onSure, onCancel }: EverybodyProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <div class="sure everybody" role="alertdialog" aria-label={t('mentionSure', { n })}>
      <p>{t('mentionSure', { n })}</p>
      <button ref={button} type="button" class="primary" onClick={onSure}>
        {t('send')}
      </button>
      <button type="button" class="plain" onClick={onCancel}>
        {t('cancel')}
      </button>
    </div>
  );
}
