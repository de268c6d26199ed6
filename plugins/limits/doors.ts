import { hash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ErrorCode } from '../../schemas/error.js';
import { nameKey } from '../../schemas/user.js';
import type { Asker } from '../auth/passwords.js';
import { type Clock, STEP_MS } from '../clock.js';
import type { Settings } from '../config.js';
import { ChatError } from '../errors.js';
import { type Counted, Failures } from './failures.js';
import { networkOf } from './network.js';

/** Who shows a valid secret of a device that a user is signed in on: others' failures are nothing to them. */
type Devices = Pick<FastifyInstance['sessions'], 'cookie' | 'isKnown'>;

/**
 * What a try comes to where it fails; whether it counts for its address, too, and does so where it doesn't fail. Whoever has come in
 * already is counted by account alone, since an office is one address.
 */
const DOORS = {
  login: { failures: ['unauthorized', 'code_wrong'], byAddress: true, countsAll: false },
  register: { failures: ['username_taken', 'username_confusable'], byAddress: true, countsAll: true },
  reset: { failures: ['reset_invalid'], byAddress: true, countsAll: false },
  password: { failures: ['wrong_password', 'code_wrong'], byAddress: false, countsAll: false },
} satisfies Record<string, { failures: ErrorCode[]; byAddress: boolean; countsAll: boolean }>;
type Door = keyof typeof DOORS;

/** Who comes: by the name that was typed, and the user who has it, where that is known. */
interface Who {
  name: string;
  user?: number | undefined;
}

/** Standing in the queue for bcrypt: of whoever is known, and of somebody new, to which tries add that came to nothing. */
const KNOWN = 0;
const NEW = 1;
/** Tries of an address that are counted for that. */
const TRIES = 50;

/** Names nobody, whatever was typed. */
const keyOf = (...parts: string[]) => hash('sha256', parts.join('\0'), 'base64url').slice(0, 22);

const tooMany = (wait: number) =>
  new ChatError('too_many_requests', `too many tries, wait ${Math.ceil(wait / 1000)} s`, {
    retryAfterMs: Math.ceil(wait),
  });

/** Where people sign in and register: who guesses has to wait, and who doesn't goes before. */
export class Doors {
  /** Tries that were told to wait. */
  refused = 0;
  private readonly isOn: boolean;
  private readonly failures: Failures;
  /** Tries of addresses, those too that are under way or were turned away as too many for bcrypt: whoever guesses has many. */
  private readonly tries: Failures;

  /** @param tell tells other instances of failures, by keys */
  constructor(
    clock: Pick<Clock, 'now'>,
    private readonly config: Settings,
    private readonly devices: Devices,
    private readonly tell: (keys: string[]) => void,
  ) {
    this.isOn = config.LIMITS === 'on';
    this.failures = new Failures(clock, Math.max(config.ACCOUNT_FAILURES, config.ADDRESS_FAILURES));
    this.tries = new Failures(clock, TRIES);
  }

  /**
   * Turns away who has to wait, before anything is asked for their sake.
   * @throws ChatError `too_many_requests`
   */
  check(door: Door, request: FastifyRequest, name: string): void {
    if (!this.isOn || this.devices.cookie.read(request) !== undefined) return;
    const { account, address } = this.counted(door, request, name);
    this.mayTry([account, address]);
  }

  /**
   * Has somebody try.
   * @param work what they try, with their place in the queue for bcrypt; what it throws says whether they failed
   * @throws ChatError `too_many_requests`, or what `work` throws
   */
  async enter<T>(
    door: Door,
    request: FastifyRequest,
    { name, user }: Who,
    work: (asker: Asker) => Promise<T>,
  ): Promise<T> {
    const { failures, tries } = this;
    const { socket } = request.raw;
    if (!this.isOn) return work({ address: networkOf(request.ip), socket, standing: () => NEW });
    const { byAddress, countsAll } = DOORS[door];
    const isFailure = (error: unknown) =>
      error instanceof ChatError && DOORS[door].failures.some((code) => code === error.code);
    const isKnown = user !== undefined && (await this.devices.isKnown(request, user));
    const { account, address } = this.counted(door, request, name);
    const whose = isKnown ? this.ofAccount(door, 'device', String(user)) : account;
    const counted = isKnown || !byAddress ? [whose] : [whose, address];
    this.mayTry(counted);
    // Whatever tries an account has under way count, or as many guesses would pass as are made at once. Of an address only those
    // do that had to wait: there may be many people behind it who come at the same hour.
    const before = counted.filter((one) => one === whose || failures.count(one.key) >= one.free);
    for (const { key } of before) failures.add(key);
    const settle = (failed: readonly Counted[]) => {
      for (const one of before) if (!failed.includes(one)) failures.takeBack(one.key);
      for (const one of failed) if (!before.includes(one)) failures.add(one.key);
      if (failed.length > 0) this.tell(failed.map(({ key }) => key));
    };
    const standing = () => (isKnown ? KNOWN : NEW + failures.count(account.key) + tries.count(address.key));
    tries.add(address.key);
    try {
      const result = await work({ address: address.key, socket, standing });
      if (!countsAll) tries.takeBack(address.key);
      settle(countsAll ? [address] : []);
      return result;
    } catch (error) {
      settle(isFailure(error) ? counted : []);
      throw error;
    }
  }

  /** Failures at another instance's doors. */
  failedElsewhere(keys: readonly string[]): void {
    if (this.isOn) for (const key of keys) this.failures.add(key);
  }

  /** What a try counts for, unless a device of the account makes it. */
  private counted(door: Door, { ip }: FastifyRequest, name: string) {
    const account = this.ofAccount(door, 'account', nameKey(name));
    const address = { key: keyOf(door, 'address', networkOf(ip)), free: this.config.ADDRESS_FAILURES };
    return { account, address };
  }

  private ofAccount(...parts: [door: Door, ...string[]]): Counted {
    return { key: keyOf(...parts), free: this.config.ACCOUNT_FAILURES };
  }

  private mayTry(counted: readonly Counted[]): void {
    const wait = Math.max(...counted.map((one) => this.failures.wait(one)));
    // The clock goes by steps: whoever waited as told may come before the last of them.
    if (wait <= STEP_MS) return;
    this.refused++;
    throw tooMany(wait);
  }
}
