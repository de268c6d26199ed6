import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import { useRef } from 'preact/hooks';
import type { Accounts, Invites } from '../../../schemas/admin.js';
import { type AccountChange, accountApi } from '../account-api.js';
import { codeOf } from '../api.js';
import type { Client } from '../client.js';
import { copy } from '../copy.js';
import { dayName, dayOf } from '../format.js';
import { errorText, t } from '../i18n/later.js';
import { closeCover } from '../route.js';
import { Dialog } from './dialog.js';
import { Name } from './name.js';

type Account = Static<typeof Accounts>['users'][number];
type Invite = Static<typeof Invites>['invites'][number];

const page = 50;

/** Who has an account here, who may have one, and what an admin can do about that. */
export function Admin({ client: { api: all, me } }: { client: Client }) {
  const api = accountApi(all);
  const accounts = useSignal<Account[] | null>(null);
  const invites = useSignal<Invite[]>([]);
  const more = useSignal(false);
  const query = useSignal('');
  /** What was made for somebody, to be given to them. */
  const link = useSignal<{ what: string; path: string } | null>(null);
  const problem = useSignal('');
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
      problem.value = '';
    } catch (error) {
      problem.value = errorText(codeOf(error));
    }
  };
  /** @param after the last one that is there already */
  const read = async (after?: number) => {
    const asked = query.peek();
    const { users } = await api.accounts(asked, after, page);
    if (asked !== query.peek()) return;
    accounts.value = after === undefined ? users : [...(accounts.peek() ?? []), ...users];
    more.value = users.length === page;
  };
  const readInvites = async () => {
    const now = Date.now();
    invites.value = (await api.invites()).invites.filter(
      (one) => one.revoked_at === null && one.uses_left > 0 && Date.parse(one.expires_at) > now,
    );
  };
  useSignalEffect(() => {
    void query.value;
    void attempt(() => read());
  });
  useSignalEffect(() => void attempt(readInvites));
  const change = (id: number, what: AccountChange) =>
    void attempt(async () => {
      await api.changeAccount(id, what);
      await refresh(id);
    });
  /** Reads one again, where it stands. */
  const refresh = async (id: number) => {
    const [fresh] = (await api.accounts('', id > 1 ? id - 1 : undefined, 1)).users;
    accounts.value =
      accounts
        .peek()
        ?.flatMap((one) => (one.user_id !== id ? [one] : fresh?.user_id === id ? [fresh] : [])) ?? null;
  };

  const row = (account: Account) => {
    const { user_id: id, username: name } = account;
    const button = (label: string, work: () => void, danger = false) => (
      <button type="button" class={danger ? 'plain danger' : 'plain'} onClick={work}>
        {label}
        <span class="vh"> {name}</span>
      </button>
    );
    const remarks = [
      account.is_admin && t('admin'),
      account.suspended_at !== null && t('suspended'),
      `#${id}`,
      account.created_at !== null && dayName(dayOf(account.created_at)),
    ];
    return (
      <li key={id}>
        <details>
          <summary>
            <Name user={account} />
            <span class="note">{remarks.filter(Boolean).join(' · ')}</span>
          </summary>
          <div class="actions">
            {button(t('resetLink'), () =>
              attempt(async () => {
                const { path } = await api.resetAccount(id);
                link.value = { what: t('resetLinkFor', { name }), path };
              }),
            )}
            {button(t('signOutAll'), () => change(id, 'sign_out'))}
            {button(t('endFactor'), () => change(id, 'end_second_factor'))}
            {account.is_admin
              ? button(t('demote'), () => change(id, 'demote'))
              : button(t('promote'), () => change(id, 'promote'))}
            {account.suspended_at === null
              ? button(t('suspend'), () => change(id, 'suspend'), true)
              : button(t('restore'), () => change(id, 'restore'))}
            {id !== me.user_id && (
              <Removal name={name} onSure={(texts) => void attempt(() => remove(id, texts))} />
            )}
          </div>
        </details>
      </li>
    );
  };
  const remove = async (id: number, texts: boolean) => {
    await api.deleteAccount(id, texts);
    await refresh(id);
  };

  const last = accounts.value?.at(-1)?.user_id;
  return (
    <Dialog title={t('administration')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {link.value && <Given what={link.value.what} path={link.value.path} />}
      <button
        type="button"
        class="plain"
        onClick={() =>
          void attempt(async () => {
            link.value = { what: t('inviteLink'), path: (await api.makeInvite()).path };
            await readInvites();
          })
        }
      >
        {t('makeInvite')}
      </button>
      {invites.value.length > 0 && (
        <section aria-label={t('openInvites')}>
          <h3>{t('openInvites')}</h3>
          <ul class="known">
            {invites.value.map(({ invite_id: id, uses_left: n, expires_at: until }) => (
              <li key={id}>
                <span>{t('inviteLeft', { n, until: dayName(dayOf(until)) })}</span>
                <button
                  type="button"
                  class="plain danger"
                  onClick={() => void attempt(() => api.revokeInvite(id).then(readInvites))}
                >
                  {t('revoke')}
                  <span class="vh"> {id}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section aria-label={t('accounts')}>
        <h3>{t('accounts')}</h3>
        <div class="field">
          <input
            type="search"
            aria-label={t('findAccount')}
            placeholder={t('findAccount')}
            value={query.value}
            onInput={(event) => {
              query.value = event.currentTarget.value.trim();
            }}
          />
        </div>
        {accounts.value === null && problem.value === '' && <p class="note">{t('loadingMessage')}</p>}
        <ul class="accounts">{accounts.value?.map(row)}</ul>
        {accounts.value?.length === 0 && <p class="note">{t('nobodyHere')}</p>}
        {more.value && last !== undefined && (
          <button type="button" class="plain" onClick={() => void attempt(() => read(last))}>
            {t('more')}
          </button>
        )}
      </section>
    </Dialog>
  );
}

/** A link, to be copied: it isn't shown again. */
function Given({ what, path }: { what: string; path: string }) {
  const box = useRef<HTMLDivElement>(null);
  const address = location.origin + path;
  return (
    <div class="sure" role="alert" ref={box}>
      <p>{what}</p>
      <p class="codes">{address}</p>
      <button type="button" class="primary" onClick={() => box.current && void copy(address, box.current)}>
        {t('copyLink')}
      </button>
    </div>
  );
}

/** Says what is lost before it is. */
function Removal({ name, onSure }: { name: string; onSure: (texts: boolean) => void }) {
  const sure = useSignal(false);
  const texts = useSignal(false);
  if (!sure.value)
    return (
      <button type="button" class="plain danger" onClick={() => (sure.value = true)}>
        {t('deleteAccount')}
        <span class="vh"> {name}</span>
      </button>
    );
  return (
    <div class="sure" role="alert">
      <p>{t('deleteSure', { name })}</p>
      <label class="check">
        <input
          type="checkbox"
          checked={texts.value}
          onChange={(event) => {
            texts.value = event.currentTarget.checked;
          }}
        />
        <span>{t('deleteTexts')}</span>
      </label>
      <button type="button" class="plain danger" onClick={() => onSure(texts.value)}>
        {t('deleteAnyway')}
      </button>
      <button type="button" class="plain" onClick={() => (sure.value = false)}>
        {t('cancel')}
      </button>
    </div>
  );
}
