import { useSignal, useSignalEffect } from '@preact/signals';
import type { Client } from '../client.js';
import { t } from '../i18n/later.js';
import { beep, canNotify, permission, turnOn } from '../notify.js';
import { closeCover, openCover } from '../route.js';
import { signOut } from '../session.js';
import { notifications, sound, theme, themes } from '../settings.js';
import { Avatar } from './avatar.js';
import { Dialog } from './dialog.js';
import { useAttempt } from './groups/attempt.js';
import { LanguagePicker } from './language.js';
import { Mute } from './mute.js';
import { Switch } from './switch.js';

export function Settings({ client }: { client: Client }) {
  const { problem, attempt } = useAttempt();
  return (
    <Dialog title={t('menu')} onClose={closeCover}>
      <div class="profile">
        <Avatar user={client.me} />
        <p>{t('signedInAs', { name: client.me.username })}</p>
      </div>
      <fieldset class="choice">
        <legend>{t('appearance')}</legend>
        {themes.map((value) => (
          <label key={value}>
            <input
              type="radio"
              name="theme"
              checked={theme.value === value}
              onChange={() => {
                theme.value = value;
              }}
            />
            <span>{t(`theme.${value}`)}</span>
          </label>
        ))}
      </fieldset>
      <LanguagePicker />
      <h3>{t('notifications')}</h3>
      <Switch
        label="notify"
        on={notifications.value === 'on' && permission.value === 'granted'}
        disabled={!canNotify || permission.value === 'denied'}
        onChange={(on) => {
          if (on) void turnOn();
          else notifications.value = 'off';
        }}
      />
      {permission.value === 'denied' && <p class="note">{t('notifyBlocked')}</p>}
      <Switch
        label="sound"
        on={sound.value === 'on'}
        onChange={(on) => {
          sound.value = on ? 'on' : 'off';
          if (on) beep();
        }}
      />
      <Mute
        legend={t('doNotDisturb')}
        until={client.mutedUntil.value}
        onChoose={(until) => void attempt(() => client.mute(until))}
      />
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {!isSecureContext && <p class="note">{t('insecure')}</p>}
      <button type="button" class="plain" onClick={() => openCover('contacts')}>
        {t('contacts')}
        <Waiting client={client} />
      </button>
      <button type="button" class="plain" onClick={() => openCover('saved')}>
        {t('saved')}
      </button>
      <button type="button" class="plain" onClick={() => openCover('devices')}>
        {t('devices')}
      </button>
      <button type="button" class="plain" onClick={() => openCover('factor')}>
        {t('factor')}
      </button>
      <ForAdmins client={client} />
      <button type="button" class="plain" onClick={() => openCover('shortcuts')}>
        {t('shortcuts')}
      </button>
      <SignOut client={client} />
    </Dialog>
  );
}

/** How many ask to be contacts. */
function Waiting({ client }: { client: Client }) {
  const n = client.contacts.lists.value?.asking.length ?? 0;
  if (n === 0) return null;
  return (
    <span class="badge">
      <span aria-hidden="true">{n}</span>
      <span class="vh">{t('requestsWait', { n })}</span>
    </span>
  );
}

/** Rights change, so they are asked for each time. */
function ForAdmins({ client }: { client: Client }) {
  const isAdmin = useSignal(false);
  useSignalEffect(
    () =>
      void client.api.me().then(
        (me) => {
          isAdmin.value = me.is_admin === true;
        },
        () => {},
      ),
  );
  if (!isAdmin.value) return null;
  return (
    <button type="button" class="plain" onClick={() => openCover('admin')}>
      {t('administration')}
    </button>
  );
}

/** Says what would be lost before it is. */
function SignOut({ client }: { client: Client }) {
  const sure = useSignal(false);
  const unsent = client.outbox.items.value.length;
  if (!sure.value) {
    return (
      <>
        <button
          type="button"
          class="plain danger"
          onClick={() => {
            if (unsent > 0) sure.value = true;
            else void signOut();
          }}
        >
          {t('signOut')}
        </button>
        <p class="note">{t('signOutHint')}</p>
      </>
    );
  }
  return (
    <div class="sure" role="alert">
      <p>{t('signOutUnsent', { n: unsent })}</p>
      <button type="button" class="plain danger" onClick={() => void signOut()}>
        {t('signOutAnyway')}
      </button>
      <button
        type="button"
        class="plain"
        onClick={() => {
          sure.value = false;
        }}
      >
        {t('cancel')}
      </button>
    </div>
  );
}
