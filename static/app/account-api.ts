import type { Static } from '@sinclair/typebox';
import type { Accounts, Invites, MadeInvite, ResetLink } from '../../schemas/admin.js';
import type { FactorOffer, FactorState, RecoveryCodes } from '../../schemas/factor.js';
import type { Sessions } from '../../schemas/session.js';
import type { Api, SignedIn } from './api.js';

/** What an admin can do to an account. */
export type AccountChange = 'suspend' | 'restore' | 'promote' | 'demote' | 'sign_out' | 'end_second_factor';

/** What is asked before a second factor is changed. */
export interface Proof {
  password: string;
  code: string;
}

/** What is asked about accounts, devices and passwords: not before somebody opens that. */
export const accountApi = ({ ask }: Api) => ({
  factor: () => ask<Static<typeof FactorState>>('/api/second-factor'),
  offerFactor: () => ask<Static<typeof FactorOffer>>('/api/second-factor/secret', { method: 'POST' }),
  addFactor: (body: Proof & { secret: string }) =>
    ask<Static<typeof RecoveryCodes>>('/api/second-factor', { method: 'PUT', body }),
  endFactor: (body: Proof) => ask<object>('/api/second-factor', { method: 'DELETE', body }),
  /** @param after the last one of the page before */
  accounts: (query: string, after: number | undefined, limit: number) =>
    ask<Static<typeof Accounts>>(
      `/api/admin/users?${new URLSearchParams({
        limit: String(limit),
        ...(query && { query }),
        ...(after !== undefined && { after: String(after) }),
      })}`,
    ),
  changeAccount: (id: number, change: AccountChange) =>
    ask<object>(`/api/admin/users/${id}/${change}`, { method: 'POST' }),
  resetAccount: (id: number) =>
    ask<Static<typeof ResetLink>>(`/api/admin/users/${id}/reset`, { method: 'POST' }),
  deleteAccount: (id: number, texts: boolean) =>
    ask<object>(`/api/admin/users/${id}?messages=${texts}`, { method: 'DELETE' }),
  invites: () => ask<Static<typeof Invites>>('/api/admin/invites'),
  makeInvite: () => ask<Static<typeof MadeInvite>>('/api/admin/invites', { method: 'POST', body: {} }),
  revokeInvite: (id: number) => ask<object>(`/api/admin/invites/${id}`, { method: 'DELETE' }),
  sessions: () => ask<Static<typeof Sessions>>('/api/sessions'),
  endSession: (id: string) => ask<object>(`/api/sessions/${id}`, { method: 'DELETE' }),
  endOthers: () => ask<object>('/api/sessions', { method: 'DELETE' }),
  changePassword: (old_password: string, new_password: string) =>
    ask<SignedIn>('/api/password', { method: 'POST', body: { old_password, new_password } }),
});
