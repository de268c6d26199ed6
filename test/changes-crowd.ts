/** Devices of four people in one group, on and off at random, that write, edit, delete and react: all of it from one seed. */
import { isDeepStrictEqual as same } from 'node:util';
import type { Test } from 'tap';
import { Device, type Shown, shown } from './changes-device.js';
import { eventually, type Server, signUp, type User } from './helper.js';

const EMOJIS = ['👍', '❤️', '😂', '🎉'];

/** The same numbers for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class Crowd {
  /** Steps so far, and edits, deletions and reactions that were asked for. */
  private steps = 0;
  private changes = 0;

  private constructor(
    private readonly next: () => number,
    private readonly owner: User,
    private readonly id: number,
    readonly devices: readonly Device[],
    /** Where devices go on; others may be put in their place. */
    public servers: readonly Server[],
  ) {}

  static async make(t: Test, seed: number, servers: readonly Server[]): Promise<Crowd> {
    const [server] = servers;
    if (server === undefined) throw new Error('no server');
    const owner = await signUp(server);
    const others = await Promise.all([0, 1, 2].map(() => signUp(server)));
    const { token } = owner;
    const body = { title: 'crew', user_ids: others.map(({ user_id }) => user_id) };
    const made = await server.request('POST', '/api/conversations', { token, body });
    const id: number = made.body.data.conversation_id;
    const devices = [owner, ...others].flatMap((user, i) =>
      ['a', 'b'].map((name) => new Device(t, user, id, `${i}${name}`)),
    );
    const crowd = new Crowd(random(seed), owner, id, devices, servers);
    await crowd.allOn();
    return crowd;
  }

  private pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.next() * of.length)] as T;
  }

  async allOn(): Promise<void> {
    for (const device of this.devices)
      if (device.client === undefined) await device.goOn(this.pick(this.servers));
  }

  /** Lets somebody do something, until so many changes more were asked for. */
  async act(changes: number): Promise<void> {
    const { next } = this;
    for (const end = this.changes + changes; this.changes < end; this.steps++) {
      const device = this.pick(this.devices);
      const seq = Math.max(1, device.end - Math.floor(next() * 20));
      const held = device.isSynced ? device.held.get(seq) : undefined;
      const isOwn = held?.from_user_id === device.user.user_id && held.content !== '';
      const what = next();
      const change = (type: string, fields: object) => {
        this.changes++;
        device.send(type, { seq, ...fields });
      };
      if (device.client === undefined) {
        if (what < 0.3) await device.goOn(this.pick(this.servers));
      } else if (what < 0.03) device.goOff();
      else if (what < 0.25) device.send('chat', { content: `text ${this.steps}` });
      else if (held === undefined) await device.client.barrier();
      else if (what < 0.5 && isOwn) change('edit', { content: `edit ${this.steps}`, base: held.change ?? 0 });
      else if (what < 0.55 && isOwn) change('delete', {});
      else change('react', { emoji: this.pick(EMOJIS), on: next() < 0.7 });
      if (next() < 0.3) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** What the history says over HTTP, without events. */
  async history(): Promise<Shown[]> {
    const messages = [];
    const server = this.pick(this.servers);
    for (let after = 0, more = true; more; ) {
      const path = `/api/conversations/${this.id}/messages?limit=200&after=${after}`;
      const { body } = await server.request('GET', path, { token: this.owner.token });
      messages.push(...body.data.messages);
      after = messages.at(-1)?.seq ?? 0;
      more = body.data.has_more;
    }
    return messages.filter(({ type }) => type !== 'event').map((message) => shown(message));
  }

  /** Has all go on and wait until they hold everything, and compares what each holds with the history. @returns the history */
  async converge(t: Test): Promise<Shown[]> {
    await this.allOn();
    await Promise.all(this.devices.map(({ client }) => client?.barrier()));
    let stored: Shown[] = [];
    const isWhole = (device: Device) =>
      device.end === stored.at(-1)?.seq &&
      device.isWhole &&
      stored.every(({ seq, change }) => device.held.get(seq)?.change === change);
    await eventually(async () => {
      stored = await this.history();
      return this.devices.every(isWhole);
    }, 'somebody lacks something').catch(() => {});
    for (const { name, held, faults } of this.devices) {
      const has = [...held.values()].filter((message) => !('event' in message)).sort((x, y) => x.seq - y.seq);
      const at = has.findIndex((message, i) => !same(message, stored[i]));
      if (at >= 0) t.strictSame(has[at], stored[at], name);
      t.equal(has.length, stored.length, name);
      t.strictSame(faults, [], name);
    }
    return stored;
  }
}
