import { effect, signal, untracked } from '@preact/signals';
import { render } from 'preact';
import { type Client, createClient } from './client.js';
import { keepFocus } from './focus.js';
import { link } from './link.js';
import { watchBoard } from './notice-board.js';
import { keepInSight } from './on-screen-keyboard.js';
import { linked, openPeer } from './route.js';
import { expired, session, successor, userId } from './session.js';
import { watchTitle } from './title.js';
import { factorNeeded } from './token.js';
import { App } from './views/app.js';
import { Auth } from './views/auth.js';
import { Later, loadLater } from './views/lazy.js';
import { keepShell } from './worker.js';

const client = signal<Client | null>(null);

// One client for one signed-in user; another user, or none, ends it.
effect(() => {
  if (userId.value === null) return;
  const me = session.peek();
  if (!me) return;
  const fresh = createClient({ user_id: me.user_id, username: me.username });
  fresh.onIncoming = (thread, message) =>
    void loadLater().then((views) => views?.incoming(fresh, thread, message));
  fresh.onAltered = (thread, before, message) =>
    void loadLater().then((views) => views?.altering(fresh, thread, before, message));
  const unwatch = watchTitle(fresh);
  client.value = fresh;
  untracked(() => void fresh.start());
  return () => {
    client.value = null;
    unwatch();
    fresh.stop();
  };
});

// Signed in again after the session had ended: the line comes back, with everything that waited.
effect(() => {
  if (!session.value || expired.value) return;
  const current = client.peek();
  if (current?.link.peek().state === 'expired') void current.reconnect();
});

// A close that says "expired" asks for the password, exactly as a refused request does.
effect(() => {
  if (client.value?.link.value.state === 'expired') expired.value = true;
});

effect(() => {
  const id = openPeer.value;
  const now = client.value;
  if (!now) return;
  now.current.value = id === null ? null : now.directory.ensure({ user_id: id, username: '' });
  now.watch();
});

// A link to a message: whose conversation it is in is known, or asked for.
effect(() => {
  const to = linked.value;
  const now = client.value;
  if (to && now) void loadLater().then((views) => views?.follow(now, to));
});

// Only this page has it: leaving asks first.
effect(() => {
  if ((client.value?.unkept.value.size ?? 0) === 0) return;
  const ask = (event: Event) => event.preventDefault();
  addEventListener('beforeunload', ask);
  return () => removeEventListener('beforeunload', ask);
});

addEventListener('pagehide', () => client.peek()?.leave());

let hiddenAt = 0;
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    hiddenAt = Date.now();
    client.peek()?.flush();
  } else if (Date.now() - hiddenAt > 60_000) client.peek()?.compare();
});

function Root() {
  const now = client.value;
  if (link.value?.kind === 'reset') {
    const { code } = link.value;
    return <Later>{({ Reset }) => <Reset code={code} />}</Later>;
  }
  if (now && !expired.value)
    return factorNeeded.value ? (
      <Later>{({ FactorPage }) => <FactorPage client={now} />}</Later>
    ) : (
      <App client={now} />
    );
  const after = successor.value;
  if (after) return <Later>{({ Successor }) => <Successor session={after} />}</Later>;
  return <Auth unsent={now?.outbox.items.value.length ?? 0} />;
}

const place = document.getElementById('app');
if (place) {
  keepFocus(place);
  keepInSight();
  render(<Root />, place);
}
watchBoard();
keepShell();
