/** One connection from its beginning to its end, and what the server owed it. */
import type { Random } from '../fault/random.js';
import { MANNERS, type MannerName } from './manners.js';
import { type Account, Peer } from './peer.js';
import { STAGES, type StageName } from './stages.js';

export interface Combination {
  stage: StageName;
  manner: MannerName;
}

/** The server's deadlines, in seconds, as its settings say. */
interface Deadlines {
  heartbeat: number;
  silence: number;
  slow: number;
}

export interface Place {
  port: number;
  deadlines: Deadlines;
  /** Milliseconds that a connection stays at most; a longer bound isn't tried. */
  patienceMs: number;
}

/** How a visit ended: the peer left, the server let go of it, it wasn't let in, or it was still held. */
export interface Visit extends Combination {
  end: 'left' | 'let go' | 'refused' | 'held';
  ms: number;
  /** Why it wasn't let in. */
  why?: string;
}

/** Seconds for what has to be soon; a busy machine's included. */
const SOON = 12;
/** Milliseconds that a peer stays at most where it may. */
const STAY_MS = 8000;
/** Seconds that a request may take to arrive, and what a busy machine adds. */
const REQUEST = 40;

/** Seconds after which the server must have let go, whatever the peer does; undefined where it may hold on. */
function bound({ stage, manner }: Combination, deadlines: Deadlines): number | undefined {
  const { kind } = STAGES[stage];
  if (!MANNERS[manner].stays) return undefined;
  if (kind === 'refused' || kind === 'closing') return SOON;
  if (kind === 'request') {
    if (manner === 'half-closes') return SOON;
    // What it asked is complete: an answer is owed, and then it is as idle as any.
    if (manner === 'never reads') return undefined;
    if (stage === 'accepted') return manner === 'trickles' ? REQUEST : SOON;
    return manner === 'sends rubbish' && stage !== 'body' ? SOON : REQUEST;
  }
  if (kind === 'answer') return manner === 'sends rubbish' ? SOON : undefined;
  if (manner === 'half-closes' || manner === 'sends rubbish') return SOON;
  if (manner === 'stalls') return deadlines.heartbeat + deadlines.silence + SOON;
  if (manner === 'never reads') return deadlines.slow + deadlines.heartbeat + deadlines.silence + 2 * SOON;
  return undefined;
}

/** Makes one visit. */
export async function visit(
  { port, deadlines, patienceMs }: Place,
  { stage, manner }: Combination,
  { from, account, draw }: { from: string | undefined; account: Account; draw: Random },
): Promise<Visit> {
  const start = performance.now();
  const done = (end: Visit['end']): Visit => ({ stage, manner, end, ms: performance.now() - start });
  const limit = bound({ stage, manner }, deadlines);
  let peer: Peer | undefined;
  try {
    try {
      peer = await Peer.open(port, from, account, draw);
      await STAGES[stage].reach(peer);
    } catch (error) {
      return { ...done('refused'), why: error instanceof Error ? error.message : String(error) };
    }
    peer.forget();
    const began = performance.now();
    await MANNERS[manner].act(peer, STAGES[stage]);
    if (!MANNERS[manner].stays) {
      await peer.pause(draw.int(0, 100));
      return done('left');
    }
    const isJudged = limit !== undefined && limit * 1000 <= patienceMs;
    const ms = isJudged ? limit * 1000 : draw.int(500, STAY_MS);
    if (await peer.isLetGo(ms - (performance.now() - began))) return done('let go');
    return done(isJudged ? 'held' : 'left');
  } finally {
    // Politely it never leaves.
    if (draw.chance(0.5)) peer?.socket.resetAndDestroy();
    else peer?.socket.destroy();
  }
}
