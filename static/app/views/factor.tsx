import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import { useRef } from 'preact/hooks';
import type { FactorOffer, FactorState } from '../../../schemas/factor.js';
import { accountApi, type Proof } from '../account-api.js';
import { codeOf } from '../api.js';
import type { Client } from '../client.js';
import { copy } from '../copy.js';
import { errorText, t } from '../i18n/later.js';
import { notice } from '../notice.js';
import { closeCover } from '../route.js';
import { signOut } from '../session.js';
import { factorNeeded } from '../token.js';
import { CodeField } from './code-field.js';
import { Dialog } from './dialog.js';
import { WhosePassword } from './whose-password.js';

export function FactorDialog({ client }: { client: Client }) {
  return (
    <Dialog title={t('factor')} onClose={closeCover}>
      <Factor client={client} onDone={closeCover} />
    </Dialog>
  );
}

/** In place of everything else, where the server asks for it. */
export function FactorPage({ client }: { client: Client }) {
  return (
    <main class="auth">
      <div class="card factor">
        <h1>{t('factor')}</h1>
        <p class="tagline">{t('factorNeeded')}</p>
        <Factor
          client={client}
          onDone={() => {
            factorNeeded.value = false;
            void client.reconnect();
          }}
        />
        <button type="button" class="plain" onClick={() => void signOut()}>
          {t('signOut')}
        </button>
      </div>
    </main>
  );
}

/** Setting up a second factor, or ending it. */
function Factor({ client: { api: all, me }, onDone }: { client: Client; onDone: () => void }) {
  const api = accountApi(all);
  const state = useSignal<Static<typeof FactorState> | null>(null);
  const offer = useSignal<Static<typeof FactorOffer> | null>(null);
  const codes = useSignal<string[] | null>(null);
  const problem = useSignal('');
  const attempt = async (work: () => Promise<void>) => {
    problem.value = '';
    try {
      await work();
    } catch (error) {
      problem.value = errorText(codeOf(error));
    }
  };
  useSignalEffect(
    () =>
      void attempt(async () => {
        state.value = await api.factor();
      }),
  );
  const content = () => {
    if (codes.value) return <Codes codes={codes.value} onDone={onDone} />;
    if (state.value?.enabled) {
      const end = async (proof: Proof) => {
        await api.endFactor(proof);
        notice(t('factorOff'));
        state.value = await api.factor();
      };
      return (
        <>
          <p>{t('factorOn', { n: state.value.recovery_codes })}</p>
          <ProofForm username={me.username} label={t('factorEnd')} onProof={end} />
        </>
      );
    }
    if (offer.value) {
      const { secret, uri, qr } = offer.value;
      const add = async (proof: Proof) => {
        codes.value = (await api.addFactor({ ...proof, secret })).recovery_codes;
      };
      return (
        <>
          <p>{t('factorScan')}</p>
          <svg
            class="qr"
            viewBox={`-4 -4 ${qr.size + 8} ${qr.size + 8}`}
            role="img"
            aria-label={t('factorPicture')}
          >
            <path d={qr.path} />
          </svg>
          <p class="codes">{secret.replace(/(.{4})(?=.)/g, '$1 ')}</p>
          <a href={uri}>{t('factorOpen')}</a>
          <ProofForm username={me.username} label={t('factorAdd')} onProof={add} />
        </>
      );
    }
    const ask = async () => {
      offer.value = await api.offerFactor();
    };
    return (
      <>
        <p>{t('factorWhy')}</p>
        <button type="button" class="primary" onClick={() => void attempt(ask)}>
          {t('factorBegin')}
        </button>
      </>
    );
  };
  return (
    <div class="factor">
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {state.value ? content() : problem.value === '' && <p class="note">{t('loadingMessage')}</p>}
    </div>
  );
}

/** Shown once: the server keeps no more of them than it takes to know them again. */
function Codes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  const list = useRef<HTMLDivElement>(null);
  return (
    <div class="factor" ref={list} role="alert">
      <p>{t('recoveryCodes')}</p>
      <ul class="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <button
        type="button"
        class="plain"
        onClick={() => list.current && void copy(codes.join('\n'), list.current)}
      >
        {t('copyCodes')}
      </button>
      <button type="button" class="primary" onClick={onDone}>
        {t('codesKept')}
      </button>
    </div>
  );
}

interface ProofFormProps {
  username: string;
  label: string;
  onProof: (proof: Proof) => Promise<void>;
}

/** The password, and a code of the device. */
function ProofForm({ username, label, onProof }: ProofFormProps) {
  const form = useRef<HTMLFormElement>(null);
  const problem = useSignal('');
  const busy = useSignal(false);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!form.current || busy.value) return;
    const data = new FormData(form.current);
    const [password, code] = [String(data.get('password') ?? ''), String(data.get('code') ?? '')];
    problem.value = password === '' ? t('passwordMissing') : code.trim() === '' ? t('error.code_needed') : '';
    if (problem.value !== '') return;
    busy.value = true;
    try {
      await onProof({ password, code });
    } catch (error) {
      problem.value = errorText(codeOf(error));
    } finally {
      busy.value = false;
    }
  }

  return (
    <form ref={form} class="password" noValidate onSubmit={submit}>
      <WhosePassword username={username} />
      <div class="field">
        <label for="factor-password">{t('oldPassword')}</label>
        <input
          id="factor-password"
          name="password"
          type="password"
          autocomplete="current-password"
          aria-describedby="factor-problem"
          required
        />
      </div>
      <CodeField problem="factor-problem" wrong={false} />
      <p id="factor-problem" class="wrong whole" role="alert">
        {problem.value}
      </p>
      <button type="submit" class="primary" aria-disabled={busy.value}>
        {busy.value ? t('working') : label}
      </button>
    </form>
  );
}
