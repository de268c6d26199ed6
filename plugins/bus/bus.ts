/** A replica says that it has connections of a user. */
export interface Claim {
  user: number;
  /** The number of the newest that is alone of its kind; undefined where none is. */
  alone?: number | undefined;
}

/** A replica that has a user, by its claim. */
export interface Owner {
  replica: string;
  alone?: number | undefined;
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
   * Notes a claim of this replica, instead of its own from before. Of all that name a number only the highest keeps it.
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

  async claim({ user, ...claim }: Claim): Promise<Owner[]> {
    const before = this.broker.owners.get(user) ?? [];
    const own = before.find(({ replica }) => replica === this.replica);
    const others = before.filter((other) => other !== own);
    const alone = claim.alone === undefined ? 0 : Math.max(claim.alone, own?.alone ?? 0);
    const isHighest = alone > 0 && others.every((other) => (other.alone ?? 0) < alone);
    this.broker.owners.set(user, [
      ...(isHighest ? others.map(({ replica }) => ({ replica })) : others),
      { replica: this.replica, ...(isHighest && { alone }) },
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

  async close(): Promise<void> {
    this.broker.replicas.delete(this.replica);
    await this.release([...this.broker.owners.keys()]);
  }
}
