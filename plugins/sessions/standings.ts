import type { Token } from '../../schemas/token.js';
import { type Standing, standingsOf } from '../../sql/sessions.js';
import { Cache } from '../cache.js';
import { within } from '../db/failure.js';
import type { Asker } from '../db/lanes.js';
import { gathered } from '../gathered.js';

/** Users whose standing is kept, in each of two generations, and bytes. */
const USERS = 20_000;
const BYTES = 16_777_216;
/** Bytes of one of them, and of each session in it, about. */
const OWN_BYTES = 300;
const SESSION_BYTES = 120;
/** Milliseconds after which it is asked for again anyway: a session goes on without a ring. */
const KEPT_MS = 600_000;
/** Sessions that are known to be over. */
const OVER = 20_000;

/** How long the reference's tokens are valid, in milliseconds: that is how old one is at least that doesn't say when it was made. */
const REFERENCE_MS = 86_400_000;

/** Whether tokens are valid: what the database said of their user is kept until a ring says that it may be another by now. */
export class Standings {
  private readonly known = new Cache<number, { standing: Standing; until: number }>(
    { entries: USERS, bytes: BYTES },
    ({ standing }) => OWN_BYTES + SESSION_BYTES * standing.sessions.size,
  );
  private readonly over = new Cache<string, true>({ entries: OVER });
  /** Users who are asked for, so that an answer from before a ring isn't kept. */
  private readonly asking = new Map<number, Promise<Standing | undefined>>();
  private readonly load: (user: number) => Promise<Standing | undefined>;

  /** @param longestMs that a token without a session may still be valid */
  constructor(
    lanes: Asker,
    private readonly longestMs: number,
    /** Told of each session that is asked for: it is in use. */
    private readonly onUse: (sid: string) => void,
  ) {
    this.load = gathered((users: number[]) => within(lanes, (sql) => standingsOf(sql, users)));
  }

  /** Forgets a user. */
  forget(user: number): void {
    this.known.delete(user);
    this.asking.delete(user);
  }

  forgetAll(): void {
    this.known.clear();
    this.asking.clear();
  }

  /** @throws ChatError `overloaded` where the database can't answer now */
  async isValid(token: Token): Promise<boolean> {
    if (token.sid === undefined) return this.isValidAlone(token, await this.of(token.user_id));
    return (await this.endOf({ ...token, sid: token.sid })) !== undefined;
  }

  /**
   * When a token's session ends, in milliseconds since 1970; undefined if it has.
   * @throws ChatError `overloaded` where the database can't answer now
   */
  async endOf({ user_id: user, sid }: Token & { sid: string }): Promise<number | undefined> {
    if (this.over.get(sid) !== undefined) return undefined;
    let standing = this.kept(user);
    if (!goesOn(standing, sid)) {
      if (standing === undefined) standing = await this.of(user);
      // What was asked before this session was made, or went on, knows nothing of it.
      if (!goesOn(standing, sid)) standing = await this.ask(user);
      this.onUse(sid);
    }
    const ends = standing?.sessions.get(sid);
    // A session is stored before its first token is made, so what isn't there has been.
    if (ends === undefined) this.over.set(sid, true);
    return standing?.suspended === false && ends !== undefined && ends > Date.now() ? ends : undefined;
  }

  /** Whether a user has a second factor. @throws ChatError `overloaded` where the database can't answer now */
  async hasFactor(user: number): Promise<boolean> {
    return (await this.of(user))?.hasFactor === true;
  }

  /** Whether a token is valid that names no session. */
  private isValidAlone({ exp, iat }: Token, standing: Standing | undefined): boolean {
    if (standing === undefined || standing.suspended) return false;
    if (exp * 1000 > Date.now() + this.longestMs) return false;
    const made = iat === undefined ? exp * 1000 - REFERENCE_MS : iat * 1000;
    // Its time is in whole seconds: it may be of the very second in which its user came, but is no newer than what voids it.
    const isOfUser = standing.createdAt === undefined || made + 1000 > standing.createdAt;
    return isOfUser && (standing.tokensFrom === undefined || made >= standing.tokensFrom);
  }

  private kept(user: number): Standing | undefined {
    const known = this.known.get(user);
    return known !== undefined && known.until > Date.now() ? known.standing : undefined;
  }

  private async of(user: number): Promise<Standing | undefined> {
    return this.kept(user) ?? this.asking.get(user) ?? this.ask(user);
  }

  private async ask(user: number): Promise<Standing | undefined> {
    const asking = this.load(user);
    this.asking.set(user, asking);
    try {
      const standing = await asking;
      if (standing !== undefined && this.asking.get(user) === asking)
        this.known.set(user, { standing, until: Date.now() + KEPT_MS });
      return standing;
    } finally {
      if (this.asking.get(user) === asking) this.asking.delete(user);
    }
  }
}

/** Whether a session is known to go on. */
const goesOn = (standing: Standing | undefined, sid: string): boolean =>
  (standing?.sessions.get(sid) ?? 0) > Date.now();
