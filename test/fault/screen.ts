/** What an extended client says that it shows: some of its channels and large groups, others after a while. */
import { now } from './clock.js';
import type { Entry } from './diary.js';
import type { Frame } from './frame.js';
import type { Link } from './link.js';
import { headsIn } from './place.js';
import type { Random } from './random.js';

/** How often it says so before it syncs, rather than after. */
const before = 0.8;
/** How often, each time that it looks, it shows others from then on; and how many at most. */
const turns = 0.2;
const most = 2;

/** A ping with such an id is answered once the server has taken in what was shown. */
const shownId = (nth: number) => `shown-${nth}`;

interface Viewer {
  random: Random;
  /** Those of its conversations that it needn't be given, as many as one `open` may name at most. */
  wide: readonly number[];
  write(entry: Entry): void;
}

export class Screen {
  readonly #viewer: Viewer;
  readonly #random: Random;
  #shows: readonly number[];
  /** What each connection was told last. */
  readonly #said = new WeakMap<Link, readonly number[]>();
  #count = 0;
  #isAll = false;

  constructor(viewer: Viewer) {
    this.#viewer = viewer;
    this.#random = viewer.random;
    this.#shows = this.#some();
  }

  #some(): number[] {
    const { wide } = this.#viewer;
    return this.#random.shuffle(wide).slice(0, this.#random.int(0, Math.min(most, wide.length - 1)));
  }

  /** A connection is there, and nothing is said yet. */
  welcome(link: Link): void {
    if (this.#random.chance(before)) this.#say(link);
  }

  /** A connection is synced: now it may be said at any time. */
  look(link: Link): void {
    if (!this.#isAll && this.#random.chance(turns)) this.#shows = this.#some();
    if (this.#said.get(link) !== this.#shows) this.#say(link);
  }

  /** From now on it shows everything. */
  showAll(): void {
    this.#isAll = true;
    this.#shows = this.#viewer.wide;
  }

  #say(link: Link): void {
    const conversations = this.#shows;
    this.#said.set(link, conversations);
    const nth = ++this.#count;
    this.#viewer.write({ type: 'show', at: now(), connection: link.number, nth, conversations });
    link.send({ type: 'open', conversation_ids: conversations });
    link.send({ type: 'ping', id: shownId(nth) });
  }

  pong(link: Link, id: string): void {
    const nth = Number(id.split('-')[1]);
    if (id === shownId(nth)) this.#viewer.write({ type: 'shown', at: now(), connection: link.number, nth });
  }

  head(link: Link, frame: Frame): void {
    for (const head of headsIn(frame))
      this.#viewer.write({ type: 'head', at: now(), connection: link.number, ...head });
  }
}
