/** What plain and extended clients have in common: one connection, kept up as a good client would, and a diary. */
import type { ClientOptions } from 'ws';
import { now } from './clock.js';
import type { Diary, Entry } from './diary.js';
import { Frame, OddFrame } from './frame.js';
import { type Door, Link } from './link.js';
import { readPages } from './pages.js';
import type { Random } from './random.js';

export interface ClientSetup {
  user: number;
  token: string;
  doors: readonly Door[];
  random: Random;
  /** Which of its user's devices it is, from 0: its connections and messages are numbered apart. */
  device?: number;
}

/** Connections and messages that one device has numbers for. */
export const PER_DEVICE = 1_000_000;

/** How often a client looks whether its line still lives. */
const lookEvery = 500;
/** A replaced connection that is still open after this was forgotten by the server. */
const forgotten = 20_000;

export abstract class Client {
  readonly diary: Diary;
  protected readonly random: Random;
  protected readonly token: string;
  protected readonly doors: readonly Door[];
  /** The connection that the client talks on, once it is open. */
  protected current: Link | undefined;
  readonly #links = new Set<Link>();
  /** Connections that a newer one has taken the place of. */
  readonly #retired = new Set<Link>();
  /** How long this client bears silence. */
  readonly #patience: number;
  #attempts: number;
  #lastDoor: Door | undefined;
  #wanted = false;
  #timer: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;

  constructor(kind: Diary['kind'], { user, token, doors, random, device = 0 }: ClientSetup) {
    this.diary = { user, kind, entries: [] };
    this.token = token;
    this.random = random;
    this.doors = doors;
    this.#attempts = device * PER_DEVICE;
    this.#patience = random.int(4000, 9000);
  }

  /** Where the token goes, and which protocol is asked for. */
  protected abstract address(): { query: string; protocols: string[]; options: ClientOptions };
  protected abstract opened(link: Link): void;
  protected abstract frame(link: Link, frame: Frame): void;
  /** Sends a message, if a client of this kind can now. */
  abstract say(to: number, size: number, mentions?: readonly number[]): void;

  get user(): number {
    return this.diary.user;
  }

  /** The own port of the connection in use. */
  get port(): number | undefined {
    return this.current?.port;
  }

  get connected(): boolean {
    return this.current?.isOpen === true;
  }

  start(): void {
    this.#wanted = true;
    this.#look ??= setInterval(() => this.watch(), lookEvery);
    this.#connect();
  }

  /** Logs off, until `start`. */
  stop(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    clearInterval(this.#look);
    this.#look = undefined;
    for (const link of this.#links) link.close();
  }

  /** Opens a second connection elsewhere while the first one is open. */
  hop(): void {
    if (this.#wanted && this.#links.size - this.#retired.size === 1 && this.connected) this.#connect();
  }

  /** Hangs for a while. */
  hang(ms: number): void {
    const link = this.current;
    if (!link?.isOpen) return;
    link.stopReading();
    setTimeout(() => link.readAgain(), ms);
  }

  protected write(entry: Entry): void {
    this.diary.entries.push(entry);
  }

  protected odd(link: Link, text: string): void {
    this.write({ type: 'odd', at: now(), connection: link.number, text });
  }

  /** Reads a part of a conversation over HTTP. */
  protected readAfter(link: Link, range: { conversation: number; after: number; upTo: number }): void {
    const { doors, token, random } = this;
    readPages({ doors, token, random: random.fork('pages') }, range).then(
      (messages) => {
        for (const message of messages)
          this.write({ type: 'page', at: now(), connection: link.number, ...message });
      },
      (error: unknown) => this.odd(link, `what follows ${range.after} could not be read: ${error}`),
    );
  }

  /** Takes a connection into use, and retires an older one. */
  protected use(link: Link): void {
    const older = this.current;
    this.current = link;
    if (!older || older === link) return;
    this.#retired.add(older);
    this.retire(older, link);
  }

  /** What becomes of a connection that a newer one has taken the place of. */
  protected abstract retire(older: Link, newer: Link): void;

  /** The server is to end it. */
  protected expectEnd(older: Link, newer: Link): void {
    setTimeout(() => {
      if (!older.isOpen || !this.#wanted) return;
      // A newer one that is gone may never have been heard of.
      if (this.current !== newer) {
        if (this.current) this.expectEnd(older, this.current);
        return;
      }
      this.odd(older, 'an older connection is still open');
      older.drop();
    }, forgotten);
  }

  /** Looks whether the line lives; a client that hangs doesn't look. */
  protected watch(): void {
    for (const link of this.#links) {
      if (link.reading && link.isOpen && now() - link.lastSign > this.#patience) link.drop();
    }
  }

  #connect(): void {
    const doors = this.doors.filter((door) => door !== this.#lastDoor);
    const door = this.random.pick(doors.length > 0 ? doors : this.doors);
    this.#lastDoor = door;
    const number = ++this.#attempts;
    this.write({ type: 'connect', at: now(), connection: number, replica: door.replica });
    const link = new Link(number, door, this.address(), {
      open: (self) => {
        this.write({ type: 'open', at: now(), connection: number, port: self.port });
        if (this.#wanted) this.opened(self);
        else self.close();
      },
      // Every token and path here is good: only a replica that is coming or going may say no.
      refused: (self, status) => {
        if (status < 500 || status === 500) this.odd(self, `refused with ${status}`);
      },
      message: (self, text) => this.#message(self, text),
      close: (self, code, opened) => this.#closed(self, code, opened),
    });
    this.#links.add(link);
  }

  #message(link: Link, text: string): void {
    try {
      this.frame(link, Frame.parse(text));
    } catch (error) {
      if (!(error instanceof OddFrame || error instanceof SyntaxError)) throw error;
      this.odd(link, `${error.message}: ${text.slice(0, 200)}`);
    }
  }

  #closed(link: Link, code: number, opened: boolean): void {
    this.#links.delete(link);
    this.#retired.delete(link);
    if (this.current === link) this.current = undefined;
    if (opened) this.write({ type: 'close', at: now(), connection: link.number, code, own: link.own });
    if (!this.#wanted || this.#links.size > this.#retired.size) return;
    this.#timer = setTimeout(() => this.#connect(), this.random.int(20, 200));
  }
}
