import type { Connection } from '../connection/connection.js';

/** The connections of this replica: at most one of a user counts, the others are being closed. */
export class Registry {
  private readonly current = new Map<number, Connection>();
  /** All whose sockets aren't closed yet. */
  readonly all = new Set<Connection>();
  private sorted: number[] | undefined;
  /** Told when a user comes or goes here; set by presence. */
  onPresence: (user: number, online: boolean) => void = () => {};

  get size(): number {
    return this.current.size;
  }

  /** Ids of the users with a connection here, ascending; made once for all who ask. */
  users(): number[] {
    this.sorted ??= [...this.current.keys()].sort((a, b) => a - b);
    return this.sorted;
  }

  of(user: number): Connection | undefined {
    return this.current.get(user);
  }

  /** Whether a user has a connection here that isn't ending. */
  has(user: number): boolean {
    const connection = this.current.get(user);
    return connection !== undefined && !connection.isClosing;
  }

  /** Those that count, in no order. */
  values(): Iterable<Connection> {
    return this.current.values();
  }

  /** Takes a connection in, instead of the user's older one. @returns false if a newer one is here already */
  add(connection: Connection): boolean {
    const { user, number } = connection;
    const other = this.current.get(user);
    this.all.add(connection);
    if (other !== undefined && other.number > number) return false;
    this.current.set(user, connection);
    if (other !== undefined) return true;
    this.sorted = undefined;
    this.onPresence(user, true);
    return true;
  }

  /** Forgets a connection. @returns whether it was the one that counts */
  remove(connection: Connection): boolean {
    const { user } = connection;
    this.all.delete(connection);
    if (this.current.get(user) !== connection) return false;
    this.current.delete(user);
    this.sorted = undefined;
    this.onPresence(user, false);
    return true;
  }
}
