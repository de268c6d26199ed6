import type { Peer } from './peer.js';

/** How many connections each user has, and each address those that have shown no token. */
export class Headcount {
  private readonly addresses = new Map<string, Set<Peer>>();
  private readonly users = new Map<number, number>();

  /** Those without a token, by address. */
  get crowds(): Iterable<Set<Peer>> {
    return this.addresses.values();
  }

  ofUser(user: number): number {
    return this.users.get(user) ?? 0;
  }

  /** @param now a moment in sweeps */
  addToAddress(peer: Peer, address: string, now: number): void {
    this.dropFromAddress(peer);
    peer.address = address;
    peer.countedAt = now;
    const peers = this.addresses.get(address) ?? new Set();
    this.addresses.set(address, peers.add(peer));
  }

  dropFromAddress(peer: Peer): void {
    if (peer.address === undefined) return;
    const peers = this.addresses.get(peer.address);
    peers?.delete(peer);
    if (peers?.size === 0) this.addresses.delete(peer.address);
    peer.address = undefined;
  }

  /** A connection counts for a user from now on, and for nobody else. */
  addToUser(peer: Peer, user: number): void {
    this.drop(peer);
    peer.user = user;
    this.users.set(user, this.ofUser(user) + 1);
  }

  drop(peer: Peer): void {
    this.dropFromAddress(peer);
    if (peer.user === undefined) return;
    const others = this.ofUser(peer.user) - 1;
    if (others === 0) this.users.delete(peer.user);
    else this.users.set(peer.user, others);
    peer.user = undefined;
  }
}
