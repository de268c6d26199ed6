import type { Client } from './client.js';
import type { Key } from './i18n/later.js';
import { composing } from './keys.js';
import { closeThread, openCover, openPeer, openThread } from './route.js';
import { openSearch } from './searching.js';

const apple = /Mac|iPhone|iPad/.test(navigator.userAgent);
export const mod = apple ? '⌘' : 'Ctrl';

interface Shortcut {
  name: Key;
  keys: string;
}

const search: Shortcut = { name: 'keys.search', keys: 'Mod+K' };

// None is a lone letter: those get in the way of speech input and of typing.
export const shortcuts: readonly Shortcut[] = [
  search,
  { name: 'keys.next', keys: 'Alt+ArrowDown' },
  { name: 'keys.previous', keys: 'Alt+ArrowUp' },
  { name: 'keys.newest', keys: 'Alt+End' },
  { name: 'keys.close', keys: 'Escape' },
  { name: 'keys.help', keys: 'Mod+/' },
];

function pressed(event: KeyboardEvent, { keys }: Shortcut): boolean {
  const parts = keys.split('+');
  const held = apple ? event.metaKey : event.ctrlKey;
  return (
    event.key.toLowerCase() === parts.at(-1)?.toLowerCase() &&
    held === parts.includes('Mod') &&
    event.altKey === parts.includes('Alt')
  );
}

/** The one lone key that many pages search by, where nothing is typed. */
const isSlash = ({ key, ctrlKey, metaKey, altKey, target }: KeyboardEvent): boolean =>
  key === '/' &&
  !(ctrlKey || metaKey || altKey) &&
  !(target instanceof Element && target.matches('input, textarea, select'));

export function onShortcut(client: Client): () => void {
  const step = (by: number) => {
    const list = client.directory.listed.peek();
    const at = list.findIndex(({ peer }) => peer === openPeer.peek());
    const next = list[at < 0 ? 0 : at + by];
    if (next) openThread(next.peer);
  };
  const actions: Record<string, () => void> = {
    'keys.search': () => openSearch(),
    'keys.next': () => step(1),
    'keys.previous': () => step(-1),
    'keys.newest': () => document.querySelector<HTMLButtonElement>('.newest')?.click(),
    'keys.close': () => {
      const peer = openPeer.peek();
      // Whoever has begun to write means the word, not the conversation.
      if (peer !== null && !client.drafts.of(peer).peek().trim()) closeThread();
    },
    'keys.help': () => openCover('shortcuts'),
  };
  const listen = (event: KeyboardEvent) => {
    if (composing(event) || event.defaultPrevented || document.querySelector('dialog[open]')) return;
    const found = isSlash(event) ? search : shortcuts.find((shortcut) => pressed(event, shortcut));
    if (!found) return;
    event.preventDefault();
    actions[found.name]?.();
  };
  addEventListener('keydown', listen);
  return () => removeEventListener('keydown', listen);
}
