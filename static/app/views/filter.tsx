import type { Signal } from '@preact/signals';

interface FilterProps {
  query: Signal<string>;
  label: string;
  onKeyDown?: (event: KeyboardEvent) => void;
}

/** What a list in a dialog is searched by. */
export function Filter({ query, label, onKeyDown }: FilterProps) {
  return (
    <input
      class="filter"
      type="search"
      dir="auto"
      value={query.value}
      placeholder={label}
      aria-label={label}
      autocomplete="off"
      autocapitalize="off"
      spellcheck={false}
      onInput={(event) => {
        query.value = event.currentTarget.value;
      }}
      {...(onKeyDown && { onKeyDown })}
    />
  );
}
