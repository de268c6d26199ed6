import { type Key, t } from '../i18n/later.js';
import { closeCover } from '../route.js';
import { shortcuts } from '../shortcuts.js';
import { Dialog } from './dialog.js';
import { Keys } from './keys.js';

const typed: readonly [Key, string][] = [
  ['keys.send', 'Enter'],
  ['keys.line', 'Shift+Enter'],
  ['keys.editLast', 'ArrowUp'],
  ['keys.actions', 'Shift+F10'],
];

export function Shortcuts() {
  const list: readonly (readonly [Key, string])[] = [
    ...shortcuts.map(({ name, keys }) => [name, keys] as const),
    ...typed,
  ];
  return (
    <Dialog title={t('shortcuts')} onClose={closeCover}>
      <dl class="keys">
        {list.map(([name, keys]) => (
          <div key={name}>
            <dt>{t(name)}</dt>
            <dd>
              <Keys keys={keys} />
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
