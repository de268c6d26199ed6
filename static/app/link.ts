import { signal } from '@preact/signals';

/** A link that somebody was given: to an account, or to a new password. Its code is behind the hash, which no server is told. */
interface Link {
  kind: 'invite' | 'reset';
  code: string;
}

function read(): Link | null {
  const [, kind, code] = /^#\/(invite|reset)\/([\w-]{1,64})$/.exec(location.hash) ?? [];
  return (kind === 'invite' || kind === 'reset') && code ? { kind, code } : null;
}

/** The link that the page was opened with; null once it is used. */
export const link = signal<Link | null>(read());

/** It is used, and good for nothing any more. */
export function dropLink(): void {
  if (read()) history.replaceState(history.state, '', location.pathname);
  link.value = null;
}

addEventListener('hashchange', () => {
  link.value = read();
});
