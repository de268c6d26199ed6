/** What a peer does, wherever it stands. */
import type { Peer } from './peer.js';
import { noise, type Stage } from './stages.js';

export interface Manner {
  act(peer: Peer, stage: Stage): Promise<void> | void;
  /** Whether it then holds on to the connection until the server lets go. */
  stays: boolean;
}

/** Bytes that one connection asks with at most: what the server makes of them is many times as much. */
const ASK_BYTES = 2_000_000;
/** Milliseconds between two bytes. */
const TRICKLE_MS = 40;

/** Leaves at a bad moment. */
const leave = (how: (peer: Peer) => void): Manner => ({
  stays: false,
  async act(peer) {
    await peer.pause(peer.draw.int(0, 60));
    how(peer);
  },
});

/** Asks and asks, as fast as it is let. */
async function ask(peer: Peer, stage: Stage, bytes: number): Promise<void> {
  await peer.push(stage.rest(peer));
  const questions = stage.ask(peer);
  for (let sent = 0; sent < bytes && !peer.gone; sent += questions.length) await peer.push(questions);
}

export const MANNERS = {
  resets: leave(({ socket }) => socket.resetAndDestroy()),
  cuts: leave(({ socket }) => socket.destroy()),
  'half-closes': {
    stays: true,
    act({ socket }) {
      socket.resume();
      socket.end();
    },
  },
  stalls: {
    stays: true,
    act: ({ socket }) => void socket.resume(),
  },
  'never reads': {
    stays: true,
    async act(peer, stage) {
      peer.socket.pause();
      await ask(peer, stage, ASK_BYTES);
      // Whether anybody is there still can't be read, only tried.
      const again = setInterval(() => peer.write(stage.ask(peer).subarray(0, 1)), 500);
      void peer.over.then(() => clearInterval(again));
    },
  },
  trickles: {
    stays: true,
    act(peer, stage) {
      peer.socket.resume();
      const rest = stage.rest(peer);
      let next = 0;
      const byte = setInterval(() => {
        peer.write(rest.subarray(next, next + 1));
        next++;
      }, TRICKLE_MS);
      void peer.over.then(() => clearInterval(byte));
    },
  },
  floods: {
    stays: false,
    async act(peer, stage) {
      peer.socket.resume();
      await ask(peer, stage, peer.draw.int(ASK_BYTES / 20, ASK_BYTES / 2));
      peer.draw.pick([
        () => peer.socket.resetAndDestroy(),
        () => peer.socket.destroy(),
        () => peer.socket.end(),
      ])();
    },
  },
  'sends rubbish': {
    stays: true,
    act({ socket, draw }) {
      socket.resume();
      // No method begins so, and no frame: its reserved bits are set.
      socket.write(Buffer.concat([Buffer.from([0xf3]), noise(draw, draw.int(100, 4000))]));
    },
  },
} satisfies Record<string, Manner>;

export type MannerName = keyof typeof MANNERS;
