/** For tests that take the database away: servers on it, and clients that go on talking. */
import type { Test } from 'tap';
import { build, type Client, eventually, type Server } from '../helper.js';

/** Sends message after message to a user, each again until its fate is known, some at once. */
export class Talker {
  /** By id, what it was told last. */
  readonly told = new Map<string, string>();
  readonly stored = new Map<string, { conversation_id: number; seq: number; at: number }>();
  private stopped = false;
  private n = 0;
  private readonly again = new Map<string, NodeJS.Timeout>();

  constructor(
    readonly client: Client,
    readonly to: number,
    private readonly name: string,
    atOnce = 4,
  ) {
    client.socket.on('message', (data) => this.onFrame(JSON.parse(data.toString())));
    for (let i = 0; i < atOnce; i++) this.next();
  }

  private next() {
    if (!this.stopped) this.say(`${this.name}-${++this.n}`);
  }

  private say(id: string) {
    this.again.delete(id);
    if (this.told.get(id) === undefined) this.told.set(id, 'nothing');
    if (this.client.socket.readyState === 1)
      this.client.send('chat', { id, to_user_id: this.to, content: id });
  }

  private onFrame(frame: Client['frames'][number]) {
    if (frame.id === undefined || !this.told.has(frame.id)) return;
    if (frame.type === 'sent') {
      const { conversation_id, seq, created_at } = frame;
      this.told.set(frame.id, 'sent');
      this.stored.set(frame.id, { conversation_id, seq, at: Date.parse(created_at) });
      this.next();
    } else if (frame.type === 'error') {
      this.told.set(frame.id, frame.code);
      if (frame.retryable)
        this.again.set(
          frame.id,
          setTimeout(() => this.say(frame.id), 100),
        );
    }
  }

  /** Begins nothing more, and waits until all that was said is stored. */
  async finish(): Promise<void> {
    this.stopped = true;
    await eventually(
      () => [...this.told.values()].every((told) => told === 'sent'),
      'not all is stored',
      30_000,
    );
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.again.values()) clearTimeout(timer);
  }
}

/** Two servers on a database, as they are on machines of their own. */
export async function twoServers(t: Test, url: string): Promise<[Server, Server]> {
  const settings = { DB_URL: url, REPAIR_SECONDS: '1' };
  const one = await build(t, settings);
  return [one, await build(t, { ...settings, REDIS_ADDR: one.env.REDIS_ADDR ?? '' })];
}
