import type { OwnSettings, SettingsChange } from '../../../schemas/settings.js';
import { chosen } from '../chosen.js';
import type { Client } from '../client.js';
import { t } from '../i18n/later.js';
import { messageApi } from '../message-api.js';
import { groupIn } from '../peer.js';
import { closeCover, closeWithCover, openPeer } from '../route.js';
import type { Thread } from '../thread.js';
import { Dialog } from './dialog.js';
import { useAttempt } from './groups/attempt.js';
import { Choice } from './groups/choice.js';
import { Sure } from './groups/sure.js';
import { Mute } from './mute.js';
import { nameOf } from './name.js';
import { Switch } from './switch.js';

/** What the user sets of a conversation for themselves, and leaving it. */
export function Own({ client }: { client: Client }) {
  const thread = chosen.value;
  if (!thread) return null;
  return (
    <Dialog title={nameOf(thread.user.value)} onClose={closeCover}>
      <Facts client={client} thread={thread} />
    </Dialog>
  );
}

function Facts({ client, thread }: { client: Client; thread: Thread }) {
  const { problem, attempt } = useAttempt();
  const { level, muted_until, pinned } = thread.settings.value;
  const set = (change: SettingsChange, done = () => {}) =>
    void attempt(async () => {
      await client.set(thread, change);
      done();
    });
  const role = thread.group.value?.role ?? null;
  const inGroup = groupIn(thread.peer) !== null;
  const levels: (readonly [OwnSettings['level'], string])[] = [
    ['all', t('level.all')],
    ...(inGroup ? [['mentions', t('level.mentions')] as const] : []),
    ['nothing', t('level.nothing')],
  ];
  /** What one doesn't want to see now isn't left open. */
  const leave = () => {
    if (openPeer.peek() === thread.peer) closeWithCover();
    else closeCover();
  };
  if (thread.conversationId === null) return <p class="note">{t('nothingToSet')}</p>;
  return (
    <>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {(!inGroup || role !== null) && (
        <>
          <Choice
            legend={t('level')}
            name="level"
            values={levels}
            value={level}
            onChoose={(value) => set({ level: value })}
          />
          <Mute legend={t('mute')} until={muted_until} onChoose={(until) => set({ muted_until: until })} />
        </>
      )}
      <Switch label="pin" on={pinned} onChange={(on) => set({ pinned: on })} />
      {(!inGroup || role !== null) && thread.end > 0 && (
        <button
          type="button"
          class="plain"
          onClick={() => void attempt(() => client.markUnread(thread, thread.lastOfOthers).then(leave))}
        >
          {t('markUnread')}
        </button>
      )}
      <button type="button" class="plain" onClick={() => set({ hidden: true }, leave)}>
        {t('hide')}
      </button>
      <p class="note">{t('hideHint')}</p>
      <Export client={client} thread={thread} />
      {role !== null && thread.conversationId !== null && (
        <Sure
          label={t('leave')}
          question={t('leaveSure')}
          onSure={() =>
            void attempt(async () => {
              await client.api.removeMember(thread.conversationId ?? 0, client.me.user_id);
              closeCover();
            })
          }
        />
      )}
    </>
  );
}

/** All that one may read here, as a file. */
function Export({ client, thread }: { client: Client; thread: Thread }) {
  const { problem, busy, attempt } = useAttempt();
  const fetch = (format: 'html' | 'json') =>
    attempt(async () => {
      if (thread.conversationId === null) return;
      const address = URL.createObjectURL(
        await messageApi(client.api).exported(thread.conversationId, format),
      );
      const link = document.createElement('a');
      link.href = address;
      link.download = `${nameOf(thread.user.peek()).replaceAll(/[\\/:*?"<>|\s]+/g, '-') || 'chat'}.${format}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    });
  return (
    <fieldset class="mute">
      <legend>{t('exportIt')}</legend>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      <div class="several">
        <button type="button" class="plain" aria-disabled={busy.value} onClick={() => void fetch('html')}>
          {t('exportPage')}
        </button>
        <button type="button" class="plain" aria-disabled={busy.value} onClick={() => void fetch('json')}>
          {t('exportJson')}
        </button>
      </div>
    </fieldset>
  );
}
