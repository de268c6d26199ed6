import type { FastifyBaseLogger } from 'fastify';
import { receiptsOf } from '../../sql/conversations.js';
import type { Change } from '../connection/port.js';
import type { Db } from '../db/handle.js';
import type { Registry } from './registry.js';
import type { Remote } from './remote.js';

/** Milliseconds over which changes are gathered. */
const GATHER_MS = 50;
/** Changes that wait to be told; past them the next one tells. */
const CHANGES = 100_000;

/** Tells people how far those whom they wrote to have received and read. */
export class Receipts {
  private changes = new Map<string, Change>();
  private telling = false;
  private closed = false;

  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly registry: Registry,
    private readonly remote: Remote,
  ) {}

  /** Tells `to`, soon, how far `user` has received and read. */
  informOf(change: Change): void {
    if (change.to === change.user || this.closed || this.changes.size >= CHANGES) return;
    this.changes.set(`${change.to}:${change.conversation}`, change);
    if (this.telling) return;
    this.telling = true;
    setTimeout(() => void this.tell(), GATHER_MS);
  }

  /** Of what another replica says, what concerns this one. */
  informHere(changes: readonly Change[]): void {
    for (const change of changes) if (this.registry.has(change.to)) this.informOf(change);
  }

  private async tell() {
    while (this.changes.size > 0 && !this.closed) {
      const changes = [...this.changes.values()];
      this.changes.clear();
      try {
        await this.tellHere(changes);
        // Whoever has the connection reads for itself: what is read here may be late there.
        const away = changes.filter(({ to }) => !this.registry.has(to));
        await this.remote.send(away, (receipts) => ({ receipts }));
      } catch (error) {
        // What is lost here is shown again by the next change, or with the conversation.
        this.log.debug({ err: error }, 'receipts are not told');
      }
    }
    this.telling = false;
  }

  /** Reads how far it is now, so that nobody is told what isn't so, for those who can be told. */
  private async tellHere(changes: readonly Change[]) {
    const here = changes.flatMap((change) => {
      const connection = this.registry.of(change.to);
      return connection?.wantsReceipts ? [{ ...change, connection }] : [];
    });
    if (here.length === 0) return;
    const states = await this.db.delivery.ask((sql) => receiptsOf(sql, here));
    here.forEach(({ connection, ...change }, i) => {
      const state = states[i];
      if (state === undefined) return;
      // Whoever has come back meanwhile may have been told more elsewhere than was read for the connection before.
      if (this.registry.of(change.to) !== connection) this.informOf(change);
      else connection.sendReceipt(change.conversation, change.user, state.delivered, state.read);
    });
  }

  close(): void {
    this.closed = true;
  }
}
