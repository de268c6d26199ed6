import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import { useRef } from 'preact/hooks';
import type { Sessions } from '../../../schemas/session.js';
import { mistakeIn } from '../account.js';
import { accountApi } from '../account-api.js';
import { codeOf } from '../api.js';
import type { Client } from '../client.js';
import { ago } from '../format.js';
import { errorText, t } from '../i18n/later.js';
import { notice } from '../notice.js';
import { closeCover } from '../route.js';
import { Dialog } from './dialog.js';
import { WhosePassword } from './whose-password.js';

type Device = Static<typeof Sessions>['sessions'][number];

/** Where one is signed in, with a way to end it, and another password. */
export function Devices({ client }: { client: Client }) {
  const devices = useSignal<Device[] | null>(null);
  const problem = useSignal('');
  const read = async (change?: Promise<unknown>) => {
    try {
      await change;
      devices.value = (await accountApi(client.api).sessions()).sessions;
      problem.value = '';
    } catch (error) {
      problem.value = errorText(codeOf(error));
    }
  };
  useSignalEffect(() => void read());
  const others = devices.value?.some(({ current }) => !current) ?? false;
  return (
    <Dialog title={t('devices')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {devices.value === null && problem.value === '' && <p class="note">{t('loadingMessage')}</p>}
      <ul class="devices">
        {devices.value?.map((device) => (
          <li key={device.id}>
            <div class="device">
              <p>
                <bdi>{device.device}</bdi>
              </p>
              <p class="note">
                {device.current ? t('thisDevice') : t('seen', { when: ago(device.seen_at) })}
                {' · '}
                <bdi>{device.address}</bdi>
              </p>
            </div>
            {!device.current && (
              <button
                type="button"
                class="plain danger"
                onClick={() => void read(accountApi(client.api).endSession(device.id))}
              >
                {t('signOut')}
                <span class="vh"> {device.device}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {others && (
        <button
          type="button"
          class="plain danger"
          onClick={() => void read(accountApi(client.api).endOthers())}
        >
          {t('signOutOthers')}
        </button>
      )}
      <NewPassword client={client} onChanged={() => void read()} />
    </Dialog>
  );
}

function NewPassword({ client, onChanged }: { client: Client; onChanged: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  const problem = useSignal('');
  const busy = useSignal(false);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!form.current || busy.value) return;
    const data = new FormData(form.current);
    const [old, fresh] = [String(data.get('old') ?? ''), String(data.get('new') ?? '')];
    const mistake = mistakeIn(client.me.username, old && fresh);
    problem.value = mistake ? t(mistake.key, mistake.values) : '';
    if (mistake) return;
    busy.value = true;
    try {
      await accountApi(client.api).changePassword(old, fresh);
      form.current?.reset();
      notice(t('passwordChanged'));
      onChanged();
    } catch (error) {
      problem.value = errorText(codeOf(error));
    } finally {
      busy.value = false;
    }
  }

  const field = (name: 'old' | 'new') => (
    <div class="field">
      <label for={`${name}-password`}>{t(`${name}Password`)}</label>
      <input
        id={`${name}-password`}
        name={name}
        type="password"
        autocomplete={name === 'old' ? 'current-password' : 'new-password'}
        aria-describedby="new-password-problem"
        required
      />
    </div>
  );
  return (
    <form ref={form} class="password" noValidate onSubmit={submit}>
      <h3>{t('changePassword')}</h3>
      <p class="note">{t('changePasswordHint')}</p>
      <WhosePassword username={client.me.username} />
      {field('old')}
      {field('new')}
      <p id="new-password-problem" class="wrong whole" role="alert">
        {problem.value}
      </p>
      <button type="submit" class="primary" aria-disabled={busy.value}>
        {t(busy.value ? 'working' : 'changePassword')}
      </button>
    </form>
  );
}
