import { effect, signal } from '@preact/signals';

const looks = () => document.visibilityState === 'visible' && document.hasFocus();

/** Whether somebody looks at this page now. Only then is anything "read". */
export const attentive = signal(looks());

const update = () => {
  attentive.value = looks();
};
document.addEventListener('visibilitychange', update);
addEventListener('focus', update);
addEventListener('blur', update);
addEventListener('pageshow', update);

/** The lock of the tab that somebody looks at; the browser lets go of it for one that is gone. */
export const looking = 'chat.looking';

effect(() => {
  if (!attentive.value) return;
  const end = new AbortController();
  const { signal } = end;
  const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  navigator.locks?.request(looking, { signal }, () => over).catch(() => {});
  return () => end.abort();
});
