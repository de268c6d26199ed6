import { type Key, t } from '../i18n/index.js';
import { closeCover } from '../route.js';
import { mod, shortcuts } from '../shortcuts.js';
import { Dialog } from './dialog.js';

const typed: readonly [Key, string][] = [
  ['keys.send', 'Enter'],
  ['keys.line', 'Shift+Enter'],
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

export function Keys({ keys }: { keys: string }) {
  return (
    <span>
      {keys.split('+').map((key) => (
        <kbd key={key}>{key === 'Mod' ? mod : (signs[key] ?? key)}</kbd>
      ))}
    </span>
  );
}

const signs: Record<string, string> = { ArrowDown: '↓', ArrowUp: '↑', Escape: 'Esc' };
