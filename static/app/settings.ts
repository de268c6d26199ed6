import { effect, signal } from '@preact/signals';

/** Storage may be forbidden or full; a setting then lasts as long as the page. */
export function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Returns whether it was kept: where not, the value holds in memory. */
export function keep(key: string, value: string | null): boolean {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}

function setting<T extends string>(key: string, values: readonly T[], initial: T) {
  const found = values.find((value) => value === kept(key));
  const value = signal<T>(found ?? initial);
  effect(() => void keep(key, value.value === initial ? null : value.value));
  // Chosen in another tab.
  addEventListener('storage', (event) => {
    if (event.key === key) value.value = values.find((other) => other === event.newValue) ?? initial;
  });
  return value;
}

export const themes = ['system', 'light', 'dark'] as const;
export const languages = ['auto', 'en', 'zh'] as const;
const switches = ['off', 'on'] as const;
const asked = ['no', 'later', 'yes'] as const;

export const theme = setting('chat.theme', themes, 'system');
export const language = setting('chat.language', languages, 'auto');
export const sound = setting('chat.sound', switches, 'off');
export const notifications = setting('chat.notifications', switches, 'off');
/** Whether somebody was asked about notifications already: once is enough. */
export const notificationsAsked = setting('chat.notifications.asked', asked, 'no');

const prefersDark = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(prefersDark.matches);
prefersDark.addEventListener('change', () => {
  systemDark.value = prefersDark.matches;
});

effect(() => {
  const dark = theme.value === 'dark' || (theme.value === 'system' && systemDark.value);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  document.querySelector('meta[name=theme-color]')?.setAttribute('content', dark ? '#14181a' : '#f3f5f6');
});
