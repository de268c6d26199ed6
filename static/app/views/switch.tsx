import { type Key, t } from '../i18n/later.js';

/** Something that is on or off. */
export function Switch(props: {
  label: Key;
  on: boolean;
  disabled?: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <label class="switch-row">
      <span>{t(props.label)}</span>
      <input
        type="checkbox"
        role="switch"
        checked={props.on}
        aria-checked={props.on}
        disabled={props.disabled ?? false}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
    </label>
  );
}
