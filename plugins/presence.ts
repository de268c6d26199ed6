import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import type { ExtendedServer } from '../schemas/frames.js';
import { beat, forgetReplicas, lastSeen, notePresence } from '../sql/presence.js';
import type { Bus } from './bus/bus.js';
import { pack } from './bus/parcel.js';
import type { Settings } from './config.js';
import type { Connection } from './connection/connection.js';
import type { ExtendedConnection } from './connection/extended.js';
import { within } from './db/failure.js';
import type { Db } from './db/handle.js';
import type { Hub } from './hub/hub.js';

declare module 'fastify' {
  interface FastifyInstance {
    presence: Presence;
  }
}

/** Milliseconds over which changes are gathered. */
const GATHER_MS = 1000;
/** Milliseconds between two beats in the database, and at most between two looks at those watched on other replicas. */
const BEAT_MS = 30_000;
const POLL_MS = 10_000;
/** Users of one question: Redis answers nobody else meanwhile, and all at once would take it half a second for a million. */
const POLLED = 1000;

type Row = ExtendedServer['presence']['users'][number];

/** How somebody is to whom they have blocked: as who was never there. */
const hiddenRow = ({ user_id }: Row): Row => ({ user_id, online: false, last_seen_at: null });

/** Who is online and who was when, for the people that somebody asks about. */
class Presence {
  /** By user: who watches, and what each of them was told last. */
  private readonly watchers = new Map<number, Map<ExtendedConnection, boolean | undefined>>();
  /** The same by who watches. */
  private readonly watching = new Map<
    Connection,
    { watcher: ExtendedConnection; users: readonly number[] }
  >();
  /** How each watched user was when last looked at. */
  private readonly known = new Map<number, boolean>();
  private readonly changed = new Map<number, boolean>();
  private timer: NodeJS.Timeout | undefined;
  private beatTimer: NodeJS.Timeout | undefined;
  private pollTimer: NodeJS.Timeout | undefined;
  private flushing: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(
    private readonly config: Settings,
    private readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly bus: Bus,
    private readonly hub: Hub,
    private readonly contacts: FastifyInstance['contacts'],
  ) {
    contacts.onChange = (user) => this.attempt(() => this.lookAgain(user));
    hub.registry.onPresence = (user, online) => this.note(user, online);
    hub.router.onPresence = ({ online, offline }) => {
      void this.tell([
        ...online.map((user) => [user, true] as const),
        ...offline.map((user) => [user, false] as const),
      ]);
    };
  }

  async start(): Promise<void> {
    // The database may be away at this moment: that must not end the start.
    const sign = () => this.attempt(() => this.db.delivery.ask((sql) => beat(sql, this.bus.replica)));
    sign();
    this.beatTimer = setInterval(sign, BEAT_MS);
    this.pollTimer = setInterval(
      () => this.attempt(() => this.poll()),
      Math.min((this.config.LEASE_SECONDS * 1000) / 2, POLL_MS),
    );
    this.attempt(() => this.db.delivery.ask(forgetReplicas));
  }

  /** Users that somebody here watches. */
  get watched(): number {
    return this.watchers.size;
  }

  private attempt(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.log.debug({ err: error }, 'presence is late'));
  }

  /** Makes a connection watch these users, instead of those before. @returns how they are now */
  async watch(connection: ExtendedConnection, users: readonly number[]): Promise<Row[]> {
    this.unwatch(connection);
    const distinct = [...new Set(users)];
    this.watching.set(connection, { watcher: connection, users: distinct });
    for (const user of distinct) {
      const watching = this.watchers.get(user);
      if (watching === undefined) this.watchers.set(user, new Map([[connection, undefined]]));
      else watching.set(connection, undefined);
    }
    const rows = await this.rows(await this.online(distinct));
    const hidden = await this.contacts.blockersOf(connection.user);
    const shown = rows.map((row) => (hidden.has(row.user_id) ? hiddenRow(row) : row));
    for (const { user_id, online } of shown) this.toldOf(user_id, connection, online);
    return shown;
  }

  /** Others may be hidden from a user now, or not any more. */
  private async lookAgain(user: number) {
    const watching = this.hub
      .connectionsOf(user)
      .flatMap((connection) => this.watching.get(connection) ?? []);
    if (watching.length === 0) return;
    const watched = new Set(watching.flatMap(({ users }) => users));
    await this.tell(await this.online([...watched]), new Set(watching.map(({ watcher }) => watcher)));
  }

  private toldOf(user: number, watcher: ExtendedConnection, online: boolean) {
    const watching = this.watchers.get(user);
    if (watching?.has(watcher)) watching.set(watcher, online);
  }

  unwatch(connection: ExtendedConnection): void {
    for (const user of this.watching.get(connection)?.users ?? []) {
      const watching = this.watchers.get(user);
      watching?.delete(connection);
      if (watching?.size !== 0) continue;
      this.watchers.delete(user);
      this.known.delete(user);
    }
    this.watching.delete(connection);
  }

  /** Which of these users are online: here, or held by a replica whose lease stands. */
  private async online(users: readonly number[]): Promise<(readonly [number, boolean])[]> {
    const elsewhere = users.filter((user) => !this.hub.isHere(user));
    const held = new Set<number>();
    if (elsewhere.length > 0) {
      const owners = await this.bus.owners(elsewhere).catch(() => undefined);
      // Where the bus is away, what was seen last is the best that is known.
      elsewhere.forEach((user, i) => {
        const isHeld =
          owners === undefined
            ? this.known.get(user)
            : owners[i]?.some(({ replica }) => replica !== this.bus.replica);
        if (isHeld) held.add(user);
      });
    }
    return users.map((user) => {
      const online = held.has(user) || this.hub.isHere(user);
      if (this.watchers.has(user)) this.known.set(user, online);
      return [user, online] as const;
    });
  }

  private async rows(states: readonly (readonly [number, boolean])[]): Promise<Row[]> {
    const gone = states.filter(([, online]) => !online).map(([user]) => user);
    const seen =
      gone.length === 0
        ? new Map<number, Date>()
        : await within(this.db.requests, (sql) => lastSeen(sql, gone));
    return states.map(([user, online]) => ({
      user_id: user,
      online,
      last_seen_at: online ? null : (seen.get(user)?.toISOString() ?? null),
    }));
  }

  private note(user: number, online: boolean) {
    if (this.closed) return;
    this.changed.set(user, online);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.flushing = this.flush();
    }, GATHER_MS);
  }

  /** Tells the database, the other replicas, and by way of the bus the watchers here. */
  private async flush() {
    const changes = [...this.changed];
    this.changed.clear();
    if (changes.length === 0) return;
    const online = changes.filter(([, is]) => is).map(([user]) => user);
    const offline = changes.filter(([, is]) => !is).map(([user]) => user);
    try {
      await this.db.delivery.ask((sql) => notePresence(sql, this.bus.replica, online, offline));
    } catch (error) {
      this.log.debug({ err: error }, 'presence is not noted');
    }
    try {
      await this.bus.broadcast(pack({ presence: { online, offline } }));
    } catch {
      await this.tell(changes);
    }
  }

  private async poll() {
    const watched = [...this.watchers.keys()];
    for (let from = 0; from < watched.length && !this.closed; from += POLLED)
      await this.tell(await this.online(watched.slice(from, from + POLLED)));
  }

  /** Who watches a user, and what each of them was told last. @param only of these alone */
  private watchersOf(
    user: number,
    only: ReadonlySet<ExtendedConnection> | undefined,
  ): Iterable<readonly [ExtendedConnection, boolean | undefined]> {
    const all = this.watchers.get(user);
    if (only === undefined || all === undefined) return all ?? [];
    return [...only].flatMap((watcher) => (all.has(watcher) ? [[watcher, all.get(watcher)] as const] : []));
  }

  /**
   * Tells watchers what is new to them. Who left one replica may have come to another meanwhile: it is asked again.
   * @param only whom to tell; undefined for all
   */
  private async tell(
    states: readonly (readonly [number, boolean])[],
    only?: ReadonlySet<ExtendedConnection>,
  ) {
    try {
      const news = states.filter(([user, online]) => this.isNews(user, online, only)).map(([user]) => user);
      if (news.length === 0) return;
      const rows = await this.rows(await this.online(news));
      const frames = new Map<ExtendedConnection, Row[]>();
      for (const row of rows)
        for (const [watcher, told] of this.watchersOf(row.user_id, only)) {
          // One that has no room is told at the next look.
          if (!this.isNewsTo(watcher, told, row.user_id, row.online) || !watcher.hasRoomForNews) continue;
          const shown = this.isHidden(row.user_id, watcher) ? hiddenRow(row) : row;
          this.toldOf(row.user_id, watcher, shown.online);
          const list = frames.get(watcher);
          if (list === undefined) frames.set(watcher, [shown]);
          else list.push(shown);
        }
      for (const [watcher, users] of frames) watcher.send({ type: 'presence', users });
    } catch (error) {
      this.log.debug({ err: error }, 'presence is not told');
    }
  }

  private isNews(user: number, online: boolean, only: ReadonlySet<ExtendedConnection> | undefined): boolean {
    for (const [watcher, told] of this.watchersOf(user, only))
      if (this.isNewsTo(watcher, told, user, online)) return true;
    return false;
  }

  /** Whether a watcher is to be told: who isn't known to be hidden from whom is told of once that is known. */
  private isNewsTo(
    watcher: ExtendedConnection,
    told: boolean | undefined,
    user: number,
    online: boolean,
  ): boolean {
    const hidden = this.isHidden(user, watcher);
    return hidden !== undefined && told !== (online && !hidden);
  }

  /** Whether a user has blocked a watcher; undefined where that isn't known yet. */
  private isHidden(user: number, watcher: ExtendedConnection): boolean | undefined {
    return this.contacts.knownBlockersOf(watcher.user)?.has(user);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.beatTimer);
    clearInterval(this.pollTimer);
    clearTimeout(this.timer);
    await this.flushing;
    await this.flush();
  }
}

/** Decorates the instance with presence. */
export default fp(
  async (app) => {
    const presence = new Presence(app.config, app.log, app.db, app.bus, app.hub, app.contacts);
    app.decorate('presence', presence);
    app.addHook('onReady', () => presence.start());
    app.addHook('onClose', () => presence.close());
  },
  { name: 'presence', dependencies: ['config', 'db', 'redis', 'hub', 'contacts'] },
);
