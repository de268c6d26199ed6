/** Who holds a user's connection: the replica, and the connection's fencing number. */
export interface Owner {
  replica: string;
  number: number;
}

/**
 * What connects replicas. It may lose anything: the log has it, and repair finds it. Every call ends within a deadline;
 * where the bus is away it is rejected at once.
 */
export interface Bus {
  /** This replica on the bus: random, made at boot, so that two of one name are told apart. */
  readonly replica: string;
  /** Whether the bus works, as far as is known: what is sent to oneself comes back. */
  readonly ok: boolean;
  /** Who holds each of these users' connections. */
  owners(users: readonly number[]): Promise<(Owner | undefined)[]>;
  /**
   * Takes a user for a connection of this replica, unless one with a higher number stands.
   * @returns what stood there before: a higher number means that nothing was taken
   */
  claim(user: number, number: number): Promise<Owner | undefined>;
  /** Gives users up where that very connection of this replica still stands. */
  release(connections: readonly { user: number; number: number }[]): Promise<void>;
  /** Sends to one replica. @returns whether it was there to receive */
  publish(replica: string, text: string): Promise<boolean>;
  /** Sends to all replicas, this one too. */
  broadcast(text: string): Promise<void>;
  /** @param listener `up`: the bus works again after it didn't; owners may be gone and messages lost */
  listen(listener: { message(text: string): void; up(): void }): Promise<void>;
  /** Uses other names from now on, so that nothing from before is met. */
  rename(namespace: string): Promise<void>;
  close(): Promise<void>;
}

/** Names on the bus: of one installation, and of one history of its database. */
export const namespaceOf = (epoch: string): string => `chat:${epoch}`;

/** What in-process buses share: with one of these for several instances, a process has several replicas. */
export class MemoryBroker {
  readonly owners = new Map<number, Owner>();
  readonly replicas = new Map<string, (text: string) => void>();
}

/** The bus inside one process. */
export class MemoryBus implements Bus {
  readonly ok = true;

  constructor(
    readonly replica: string,
    readonly broker: MemoryBroker,
  ) {}

  async owners(users: readonly number[]): Promise<(Owner | undefined)[]> {
    return users.map((user) => this.broker.owners.get(user));
  }

  async claim(user: number, number: number): Promise<Owner | undefined> {
    const before = this.broker.owners.get(user);
    if (before === undefined || before.number <= number)
      this.broker.owners.set(user, { replica: this.replica, number });
    return before;
  }

  async release(connections: readonly { user: number; number: number }[]): Promise<void> {
    for (const { user, number } of connections) {
      const owner = this.broker.owners.get(user);
      if (owner?.number === number && owner.replica === this.replica) this.broker.owners.delete(user);
    }
  }

  async publish(replica: string, text: string): Promise<boolean> {
    const receive = this.broker.replicas.get(replica);
    if (receive === undefined) return false;
    setImmediate(receive, text);
    return true;
  }

  async broadcast(text: string): Promise<void> {
    for (const receive of this.broker.replicas.values()) setImmediate(receive, text);
  }

  async listen(listener: { message(text: string): void }): Promise<void> {
    this.broker.replicas.set(this.replica, (text) => {
      if (this.broker.replicas.has(this.replica)) listener.message(text);
    });
  }

  async rename(): Promise<void> {
    // Whoever has the broker has the same database.
    this.broker.owners.clear();
  }

  async close(): Promise<void> {
    this.broker.replicas.delete(this.replica);
    for (const [user, owner] of this.broker.owners)
      if (owner.replica === this.replica) this.broker.owners.delete(user);
  }
}
