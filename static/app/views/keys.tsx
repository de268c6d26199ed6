import { mod } from '../shortcuts.js';

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
