import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { errorText, t } from '../i18n/index.js';
import { closeCover } from '../route.js';
import { Dialog } from './dialog.js';

type Views = typeof import('./later.js')['later'];

const views = signal<Views | 'failed' | null>(null);
let asked: Promise<void> | undefined;

const here = (): Views | undefined => {
  const { value } = views;
  return value === null || value === 'failed' ? undefined : value;
};

/** Has them here before they are wanted, and once. */
export async function loadLater(): Promise<Views | undefined> {
  if (here()) return here();
  asked ??= import('./later.js')
    .then(
      ({ later }) => {
        views.value = later;
      },
      () => {
        views.value = 'failed';
      },
    )
    .finally(() => {
      asked = undefined;
    });
  await asked;
  return here();
}

interface LaterProps {
  /** Of the dialog that stands there until then; without, it isn't one. */
  title?: string;
  children: (loaded: Views) => ComponentChildren;
}

/** What makes the page better once it is here, and isn't missed before. */
export function Once({ children }: { children: (loaded: Views) => ComponentChildren }) {
  const loaded = here();
  return loaded && <>{children(loaded)}</>;
}

/** The same, where it is missed: it is fetched at once. */
export function Soon({ children }: { children: (loaded: Views) => ComponentChildren }) {
  useEffect(() => void loadLater(), []);
  return <Once>{children}</Once>;
}

/** What comes later than the page. */
export function Later({ title, children }: LaterProps) {
  useEffect(() => void loadLater(), []);
  const loaded = views.value;
  if (loaded && loaded !== 'failed') return <>{children(loaded)}</>;
  const state = (
    <p class="note" role="status">
      {loaded === 'failed' ? errorText('network') : t('loadingMessage')}
    </p>
  );
  if (title === undefined) return <main class="auth">{state}</main>;
  return (
    <Dialog title={title} onClose={closeCover}>
      {state}
    </Dialog>
  );
}
