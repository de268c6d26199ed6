/** How far a connection has come when its peer begins to misbehave. */
import type { Random } from '../fault/random.js';
import { rawFrame, rawRequest } from '../raw.js';
import type { Peer } from './peer.js';

export interface Stage {
  /**
   * What the server owes such a connection: a request that it may finish or not (`request`), an answer (`answer`), nothing but its
   * refusal (`refused`), the protocol (`live`), a farewell (`closing`).
   */
  kind: 'request' | 'answer' | 'refused' | 'live' | 'closing';
  /** Brings the connection there. */
  reach(peer: Peer): Promise<void> | void;
  /** How what was begun goes on: long enough to be sent a byte at a time without an end. */
  rest(peer: Peer): Buffer;
  /** Something that makes the server write. */
  ask(peer: Peer): Buffer;
}

const none = Buffer.alloc(0);
/** Longer than any deadline, a byte at a time. */
const LONG = 8000;

const TARGETS = [
  '/',
  '/api/openapi.json',
  '/api/asyncapi.json',
  '/api/conversations',
  '/api/users?query=h',
  '/api/me',
  '/healthz',
  '/readyz',
  '/metrics',
  '/nothing',
];

function request({ draw, account }: Peer, target = draw.pick(TARGETS), headers = {}): Buffer {
  return rawRequest('GET', target, { headers: { ...headers, Authorization: `Bearer ${account.token}` } });
}

/** Bytes that mean nothing. */
export const noise = (draw: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => draw.int(0, 255)));

const many = (count: number, make: () => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, make));

/** Frames whose answers are many times as long, or any that is answered. */
function question(peer: Peer, extended: boolean): Buffer {
  const { draw, account } = peer;
  if (draw.chance(0.2)) return rawFrame(9, noise(draw, 125));
  if (draw.chance(0.02)) return peer.say('chat', { to_user_id: account.user_id, content: 'to myself' });
  if (!extended) return peer.say(draw.pick(['get_online_list', 'get_offline', 'nothing']));
  return draw.pick([
    () => peer.say('ping', { id: 'x'.repeat(60) }),
    () => peer.say('presence', { user_ids: Array.from({ length: 500 }, (_, i) => i + 1) }),
    () => peer.say('sync', { epoch: 'another', positions: [] }),
    () => peer.say('typing', { conversation_id: 1 }),
    () => peer.say('token', { token: 'a.b.c' }),
  ])();
}

const http = {
  kind: 'request',
  ask: (peer: Peer) => many(20, () => request(peer)),
} as const;

/** A long frame, and frames that are answered. */
const socket = (extended: boolean) => ({
  rest: () =>
    rawFrame(1, JSON.stringify({ type: 'ping', id: 'p', filler: 'x'.repeat(extended ? LONG : 3000) })),
  ask: (peer: Peer) => many(20, () => question(peer, extended)),
});

async function sync(peer: Peer): Promise<void> {
  await peer.enter(true);
  peer.write(peer.say('sync', { positions: [] }));
  await peer.frame('synced');
}

export const STAGES = {
  accepted: {
    ...http,
    reach() {},
    rest: (peer) => request(peer, peer.draw.pick(TARGETS), { 'X-Long': 'a'.repeat(LONG) }),
  },
  'request line': {
    ...http,
    reach: (peer) => peer.write('GET /api/us'),
    rest: () => Buffer.from(`ers?query=${'a'.repeat(LONG)} HTTP/1.1\r\nHost: chat.example\r\n\r\n`),
  },
  headers: {
    ...http,
    reach: (peer) => peer.write('GET /api/me HTTP/1.1\r\nHost: chat.example\r\nX-On'),
    rest: () => Buffer.from(`e: ${'1\r\nX-More: '.repeat(LONG / 20)}1\r\n\r\n`),
  },
  body: {
    ...http,
    reach(peer) {
      const { token } = peer.account;
      const [target, headers] = peer.draw.pick([
        ['/login', {}],
        ['/register', {}],
        ['/api/messages', { Authorization: `Bearer ${token}` }],
      ] as const);
      const whole = rawRequest('POST', target, { headers, body: `{"username":"${' '.repeat(LONG)}"}` });
      peer.write(whole.subarray(0, whole.length - LONG));
    },
    rest: () => Buffer.from(`${' '.repeat(LONG - 2)}"}`),
  },
  answer: {
    ...http,
    kind: 'answer',
    reach(peer) {
      peer.socket.pause();
      peer.write(request(peer));
    },
    rest: (peer) => request(peer),
  },
  pipelined: {
    ...http,
    kind: 'answer',
    reach(peer) {
      peer.socket.pause();
      const one = request(peer);
      peer.write(many(peer.draw.int(100, 1500), () => one));
    },
    rest: (peer) => request(peer),
  },
  CONNECT: {
    kind: 'refused',
    reach: (peer) => peer.write('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'),
    rest: ({ draw }) => noise(draw, LONG),
    ask: ({ draw }) => noise(draw, 1000),
  },
  'bad upgrade': {
    ...socket(true),
    kind: 'refused',
    reach(peer) {
      const wrong = peer.draw.pick([
        { 'Sec-WebSocket-Version': '7' },
        { 'Sec-WebSocket-Key': 'short' },
        { Authorization: 'Bearer a.b.c' },
        { Origin: 'http://elsewhere.example' },
      ]);
      peer.write(peer.handshake(true, wrong));
    },
  },
  upgrade: {
    ...socket(true),
    kind: 'live',
    reach(peer) {
      peer.socket.pause();
      const before = peer.draw.chance(0.5) ? rawRequest('GET', '/healthz') : none;
      peer.write(Buffer.concat([before, peer.handshake(true)]));
    },
  },
  opening: {
    ...socket(true),
    kind: 'live',
    reach(peer) {
      const frames = many(peer.draw.int(1, 50), () => question(peer, true));
      peer.write(Buffer.concat([peer.handshake(true), frames]));
    },
  },
  plain: {
    ...socket(false),
    kind: 'live',
    reach: (peer) => peer.enter(false),
  },
  'not synced': {
    ...socket(true),
    kind: 'live',
    reach: (peer) => peer.enter(true),
  },
  synced: {
    ...socket(true),
    kind: 'live',
    reach: sync,
  },
  'closing by the peer': {
    ...socket(true),
    kind: 'closing',
    async reach(peer) {
      await peer.enter(true);
      peer.write(rawFrame(8, Buffer.from([0x03, 0xe8])));
    },
  },
  'closing by the server': {
    ...socket(true),
    kind: 'closing',
    async reach(peer) {
      await peer.enter(true);
      // A frame without a mask breaks the protocol.
      peer.write(rawFrame(1, '{}', { masked: false }));
    },
  },
} satisfies Record<string, Stage>;

export type StageName = keyof typeof STAGES;
