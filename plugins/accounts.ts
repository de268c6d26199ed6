import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import fp from 'fastify-plugin';
import { ACCOUNTS } from '../schemas/limits.js';
import { looksProblem } from '../schemas/name.js';
import { usernameProblem } from '../schemas/user.js';
import {
  addReset,
  type Change,
  changeUser,
  deleteUser,
  eraseSome,
  isAdmin,
  isReset,
  type Outcome,
  toErase,
  useReset,
} from '../sql/accounts.js';
import type { Sql } from '../sql/handle.js';
import { addFirstInvite, addInvite, type InviteRow, isInvited, revokeInvite } from '../sql/invites.js';
import { addUser, findByName, findPassword, whyTaken } from '../sql/users.js';
import type { Passwords } from './auth/passwords.js';
import { hashedForms, newPassword } from './auth/typed.js';
import type { Settings } from './config.js';
import { within } from './db/failure.js';
import type { Asker as Lanes } from './db/lanes.js';
import { ChatError } from './errors.js';
import { hashOf } from './sessions/device.js';

declare module 'fastify' {
  interface FastifyInstance {
    accounts: Accounts;
  }
}

/** Who waits for a password to be hashed. */
type Asker = Parameters<Passwords['hash']>[1];
/** Who changes an account: an admin, or undefined for the operator. */
type Actor = number | undefined;
/** What only those know who are given it, and the place of the page where it is taken. */
interface Link {
  code: string;
  path: string;
}

/** The code stands behind the `#`, which no browser sends and so no log has. */
function newLink(kind: 'invite' | 'reset'): Link {
  const code = randomBytes(18).toString('base64url');
  return { code, path: `/#/${kind}/${code}` };
}

/** Milliseconds after which a deletion that was interrupted is taken up again, if the database can't be asked. */
const AGAIN_MS = 5000;

/** What is leant on. */
interface Base {
  config: Pick<Settings, 'REGISTRATION' | 'PASSWORD_MIN'>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  lanes: Lanes;
  passwords: Passwords;
  /** Tells all replicas what was committed of users. */
  ring(users: readonly number[]): Promise<void>;
}

/** Who may have an account: what routes, the command line and the start do with them. */
export class Accounts {
  private closed = false;

  constructor(private readonly base: Base) {}

  private ask<T>(question: (sql: Sql) => Promise<T>): Promise<T> {
    return within(this.base.lanes, question);
  }

  /**
   * Makes an account for who asks for one, if the settings let them.
   * @param username trimmed and in NFC
   * @param invite the code of an invite
   * @returns its number
   * @throws ChatError `registration_closed`, `invite_needed`, and for names and passwords that can't be
   */
  async register(
    username: string,
    typed: string | null | undefined,
    invite: string | null | undefined,
    asker?: Asker,
  ): Promise<number> {
    const { REGISTRATION } = this.base.config;
    if (REGISTRATION === 'closed') throw new ChatError('registration_closed');
    checkName(username);
    const code = REGISTRATION === 'invite' ? hashOf(invite ?? '') : undefined;
    const isLetIn = async () => code === undefined || (await this.ask((sql) => isInvited(sql, code)));
    // Before a processor works for who has none.
    if (!(await isLetIn())) throw new ChatError('invite_needed');
    const hash = await this.hash(typed, asker);
    const id = await this.ask((sql) => addUser(sql, username, hash, { invite: code }));
    if (id !== undefined) return id;
    if (!(await isLetIn())) throw new ChatError('invite_needed');
    throw await this.taken(username);
  }

  /** Makes an account whose owner sets the password by a link. @throws ChatError for names that can't be */
  async create(username: string, actor: Actor): Promise<{ user_id: number } & Link & { expires_at: string }> {
    checkName(username);
    const user_id = await this.ask((sql) => addUser(sql, username, '', { actor: actor ?? null }));
    if (user_id === undefined) throw await this.taken(username);
    return { user_id, ...(await this.createReset(user_id, actor)) };
  }

  /**
   * The account of somebody whom a trusted proxy vouches for, made at first sight. It may have any name that can be stored.
   * @throws ChatError `suspended`, `username_invalid`
   */
  async arrive(username: string): Promise<{ user_id: number; username: string }> {
    const find = () => this.ask((sql) => findByName(sql, username));
    let user = await find();
    // Of two that ask at once one makes it; of two names that look alike, one finds the other there.
    for (let tries = 0; user === undefined && tries < 3; tries++) {
      checkUsable(username);
      await this.ask((sql) => addUser(sql, username, '', { vouched: true }));
      user = await find();
    }
    if (user === undefined) throw new ChatError('overloaded');
    if (user.suspended) throw new ChatError('suspended');
    return user;
  }

  private async taken(username: string): Promise<ChatError> {
    return new ChatError((await this.ask((sql) => whyTaken(sql, username))) ?? 'username_taken');
  }

  /**
   * The hash of a new password.
   * @throws ChatError for passwords that can't be; `overloaded`
   */
  async hash(typed: string | null | undefined, asker?: Asker): Promise<string> {
    return this.base.passwords.hash(newPassword(typed, this.base.config.PASSWORD_MIN), asker);
  }

  /**
   * Whether what was typed is the password of a stored hash. Takes as long for an unknown user, and for one who has no password.
   * @throws ChatError `overloaded`
   */
  async matches(typed: string, stored: string | undefined, asker?: Asker): Promise<boolean> {
    const forms = hashedForms(typed);
    if (forms.length === 0) await this.base.passwords.matches('', undefined, asker);
    for (const form of forms) if (await this.base.passwords.matches(form, stored, asker)) return true;
    return false;
  }

  /**
   * Asks somebody who is signed in for their password again.
   * @throws ChatError `wrong_password`; `overloaded`
   */
  async ownPassword(user: number, typed: string, asker?: Asker): Promise<void> {
    const found = await this.ask((sql) => findPassword(sql, user));
    if (!(await this.matches(typed, found, asker))) throw new ChatError('wrong_password');
  }

  /**
   * Makes a link by which a user sets a new password once; the one before is void.
   * @throws ChatError `user_not_found`
   */
  async createReset(user: number, actor: Actor): Promise<Link & { expires_at: string }> {
    const link = newLink('reset');
    const expires = await this.ask((sql) =>
      addReset(sql, user, hashOf(link.code), ACCOUNTS.linkHours, actor),
    );
    if (expires === undefined) throw new ChatError('user_not_found');
    return { ...link, expires_at: expires.toISOString() };
  }

  /**
   * Sets a password by a link, and ends all that was signed in before.
   * @throws ChatError `reset_invalid`, and for passwords that can't be
   */
  async reset(
    code: string,
    typed: string | null | undefined,
    asker?: Asker,
  ): Promise<{ user_id: number; username: string }> {
    if (!(await this.ask((sql) => isReset(sql, hashOf(code))))) throw new ChatError('reset_invalid');
    const hash = await this.hash(typed, asker);
    const user = await this.ask((sql) => useReset(sql, hashOf(code), hash));
    if (user === undefined) throw new ChatError('reset_invalid');
    await this.base.ring([user.user_id]);
    return user;
  }

  /**
   * Suspends, restores, promotes or demotes a user; again, it changes nothing.
   * @throws ChatError `user_not_found`, `last_admin`
   */
  async change(change: Change, user: number, actor: Actor): Promise<void> {
    await this.settle(user, await this.ask((sql) => changeUser(sql, change, user, actor)));
  }

  /**
   * Deletes a user: what was theirs is emptied, and their conversations stay for the others.
   * @param messages whether what they wrote is emptied, too, which may also be asked later
   * @throws ChatError `user_not_found`, `last_admin`; `overloaded` where it is done but for what the next start erases
   */
  async delete(user: number, messages: boolean, actor: Actor): Promise<void> {
    await this.settle(user, await this.ask((sql) => deleteUser(sql, user, messages, actor)));
    await this.erase(user);
  }

  private async settle(user: number, outcome: Outcome): Promise<void> {
    if (outcome !== 'done') throw new ChatError(outcome);
    await this.base.ring([user]);
  }

  private async erase(user: number): Promise<void> {
    for (let next: number | undefined = 0; next !== undefined && !this.closed; ) {
      const after: number = next;
      next = await this.ask((sql) => eraseSome(sql, user, after, ACCOUNTS.erasedAtOnce));
    }
  }

  /** Goes on with what a replica that ended had not erased. */
  async eraseRest(): Promise<void> {
    while (!this.closed) {
      try {
        const users = await this.ask(toErase);
        if (users.length === 0) return;
        for (const user of users) await this.erase(user);
      } catch (error) {
        this.base.log.warn({ err: error }, 'what deleted users left is not erased yet');
        await sleep(AGAIN_MS, undefined, { ref: false });
      }
    }
  }

  /**
   * @param hours that it is open
   * @throws ChatError `too_many_invites`
   */
  async createInvite(hours: number, uses: number, actor: Actor): Promise<InviteRow & Link> {
    const link = newLink('invite');
    const invite = { code: hashOf(link.code), hours, uses };
    const row = await this.ask((sql) => addInvite(sql, invite, actor, ACCOUNTS.openInvites));
    if (row === undefined) throw new ChatError('too_many_invites');
    return { ...row, ...link };
  }

  /** @throws ChatError `invite_not_found` */
  async revokeInvite(id: number, actor: Actor): Promise<void> {
    if (!(await this.ask((sql) => revokeInvite(sql, id, actor)))) throw new ChatError('invite_not_found');
  }

  /** A link for the first account, which is an admin's; undefined where there is one, or none is needed. */
  async firstInvite(): Promise<Link | undefined> {
    if (this.base.config.REGISTRATION !== 'invite') return undefined;
    const link = newLink('invite');
    const made = await this.ask((sql) => addFirstInvite(sql, hashOf(link.code), ACCOUNTS.linkHours));
    return made ? link : undefined;
  }

  /** @throws ChatError `admin_needed` */
  async requireAdmin(user: number): Promise<void> {
    if (!(await this.ask((sql) => isAdmin(sql, user)))) throw new ChatError('admin_needed');
  }

  close(): void {
    this.closed = true;
  }
}

/** @throws ChatError `username_invalid` */
function checkUsable(username: string): void {
  const problem = usernameProblem(username);
  if (problem !== undefined) throw new ChatError('username_invalid', problem);
}

/** @throws ChatError `username_invalid`, `username_mixed`, `username_reserved` */
function checkName(username: string): void {
  checkUsable(username);
  const looks = looksProblem(username);
  if (looks !== undefined) throw new ChatError(looks);
}

/** Decorates the instance with what is done with accounts. */
export default fp(
  async (app) => {
    const accounts = new Accounts({
      config: app.config,
      log: app.log,
      lanes: app.db.requests,
      passwords: app.auth.passwords,
      ring: (users) => app.sessions.ring(users),
    });
    app.decorate('accounts', accounts);
    app.addHook('onListen', () => void accounts.eraseRest());
    app.addHook('onClose', async () => accounts.close());
  },
  { name: 'accounts', dependencies: ['config', 'errors', 'db', 'sessions', 'auth'] },
);
