/** What a replica says of the newest of its connections of a user. */
export interface Claim {
  user: number;
  /** The connection's fencing number. */
  number: number;
  /** Whether it suffers no other connection of the user, older or newer. */
  alone: boolean;
}

/** Whether of two connections of one user only the newer may stay. */
export const exclude = (one: { alone: boolean }, other: { alone: boolean }): boolean =>
  one.alone || other.alone;

/** A replica that has a user, by its claim. */
export interface Owner {
  replica: string;
  number: number;
  alone: boolean;
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
  /** Which replicas have each of these users. */
  owners(users: readonly number[]): Promise<Owner[][]>;
  /**
   * Notes a claim of this replica, instead of its own from before and of lower ones that it excludes, unless a higher one
   * excludes it.
   * @returns what stood there before
   */
  claim(claim: Claim): Promise<Owner[]>;
  /** Withdraws this replica's claims of users. */
  release(users: readonly number[]): Promise<void>;
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
  readonly owners = new Map<number, Owner[]>();
  readonly replicas = new Map<string, (text: string) => void>();
}

/** The bus inside one process. */
export class MemoryBus implements Bus {
  readonly ok = true;

  constructor(
    readonly replica: string,
    readonly broker: MemoryBroker,
  ) {}

  async owners(users: readonly number[]): Promise<Owner[][]> {
    return users.map((user) => this.broker.owners.get(user) ?? []);
  }

  async claim(claim: Claim): Promise<Owner[]> {
    const { user, number, alone } = claim;
    const before = this.broker.owners.get(user) ?? [];
    const others = before.filter(({ replica }) => replica !== this.replica);
    const excluded = others.filter((other) => exclude(other, claim));
    if (excluded.some((other) => other.number > number)) return before;
    const own = before.find(({ replica }) => replica === this.replica);
    this.broker.owners.set(user, [
      ...others.filter((other) => !excluded.includes(other)),
      { replica: this.replica, number: Math.max(number, own?.number ?? 0), alone },
    ]);
    return before;
  }

  async release(users: readonly number[]): Promise<void> {
    for (const user of users) {
      const others = (this.broker.owners.get(user) ?? []).filter(({ replica }) => replica !== this.replica);
      if (others.length === 0) this.broker.owners.delete(user);
      else this.broker.owners.set(user, others);
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
    await this.release([...this.broker.owners.keys()]);
  }
}
