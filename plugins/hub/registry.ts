import { LIMITS } from '../../schemas/limits.js';
import type { Connection } from '../connection/connection.js';

const NONE: readonly Connection[] = [];

/** Whether of two connections of one user only the newer may stay. */
const exclude = (one: Connection, other: Connection): boolean => one.alone && other.alone;

/** The connections of this replica. */
export class Registry {
  /** Those that count, oldest first. */
  private readonly current = new Map<number, readonly Connection[]>();
  /** All whose sockets aren't closed yet. */
  readonly all = new Set<Connection>();
  private sorted: number[] | undefined;
  /** Told when a user comes or goes here; set by presence. */
  onPresence: (user: number, online: boolean) => void = () => {};

  /** Ids of the users with a connection here, ascending; made once for all who ask. */
  users(): number[] {
    this.sorted ??= [...this.current.keys()].sort((a, b) => a - b);
    return this.sorted;
  }

  /** The same in no order. */
  everybody(): Iterable<number> {
    return this.current.keys();
  }

  /** Those of a user that count. */
  of(user: number): readonly Connection[] {
    return this.current.get(user) ?? NONE;
  }

  /** Whether a user has a connection here that isn't ending. */
  has(user: number): boolean {
    return this.of(user).some((connection) => !connection.isClosing);
  }

  /**
   * Takes a connection in.
   * @returns those of its user that it replaces, which are to be closed; undefined if a newer one replaces it
   */
  add(connection: Connection): readonly Connection[] | undefined {
    const { user, number } = connection;
    const others = this.of(user);
    this.all.add(connection);
    if (others.some((other) => exclude(other, connection) && other.number > number)) return undefined;
    const replaced = others.filter((other) => exclude(other, connection));
    const kept = others.filter((other) => !replaced.includes(other));
    if (kept.length >= LIMITS.userDevices) {
      const silent = kept.reduce((most, other) => (other.silentFor > most.silentFor ? other : most));
      replaced.push(silent);
      kept.splice(kept.indexOf(silent), 1);
    }
    this.current.set(user, [...kept, connection]);
    if (others.length > 0) return replaced;
    this.sorted = undefined;
    this.onPresence(user, true);
    return replaced;
  }

  /** Forgets a connection. @returns whether it was the last of its user that counts */
  remove(connection: Connection): boolean {
    const { user } = connection;
    this.all.delete(connection);
    const others = this.of(user);
    if (!others.includes(connection)) return false;
    if (others.length > 1) {
      this.current.set(
        user,
        others.filter((other) => other !== connection),
      );
      return false;
    }
    this.current.delete(user);
    this.sorted = undefined;
    this.onPresence(user, false);
    return true;
  }
}
