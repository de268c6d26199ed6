import type { Host } from './url.js';

/**
 * Which of several servers is asked: one, until a connection to it can't be made, or proves that it only follows another; then the
 * next, by everybody. (Given several, the driver takes a standby for one that is read-write, since it asks for the default of its
 * transactions, and never fails where none answers, but connects without a pause; postgres 3.4.)
 */
export class Hosts {
  private at = 0;
  private readonly hostOf = new WeakMap<object, Host>();

  constructor(private readonly hosts: readonly Host[]) {}

  get count(): number {
    return this.hosts.length;
  }

  /** Makes a client of the server that is asked now. */
  open<C extends object>(make: (host: Host) => C): C {
    const host = this.hosts[this.at];
    if (host === undefined) throw new Error('no host of a database');
    const client = make(host);
    this.hostOf.set(client, host);
    return client;
  }

  /** A connection of this client led nowhere. */
  leave(client: object): void {
    if (!this.isLeft(client)) this.at = (this.at + 1) % this.count;
  }

  /** Whether another server is asked now than this client's. */
  isLeft(client: object): boolean {
    return this.hostOf.get(client) !== this.hosts[this.at];
  }
}
