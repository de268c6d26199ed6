/** What strangers do at the doors, and what people who are in do too often: each attack does one thing as often as it is let. */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import WebSocket from 'ws';
import type { Random } from '../fault/random.js';
import type { Account } from './peer.js';

/** At what, and whose. */
export interface Target {
  port: number;
  /** Addresses that the attacker has: the server believes what this machine says of them. */
  addresses: number;
  /** Names with a password; the owner of the first one signs in meanwhile, on a device of theirs. */
  names: readonly string[];
  /** What the cookie of a device is called. */
  cookieName: string;
  /** Users that the attacker has tokens of. */
  accounts: readonly Account[];
}

/** One thing that is done; what the server makes of it. */
type Act = () => Promise<string>;

/** What is kept open until the end. */
type Held = Set<{ end(): void }>;

interface Attack {
  /** How many are under way at a time. */
  atOnce: number;
  /** How many there are in all, where as many as of the others would show no more. */
  most?: number;
  /** Makes what one of these does again and again. @param target whom; @param agent its connections */
  start(target: Target, draw: Random, agent: Agent, held: Held): Act;
}

const addressOf = ({ addresses }: Target, draw: Random) => {
  const number = draw.int(0, addresses - 1);
  return `10.1.${number >> 8}.${number & 255}`;
};

/** What is answered: the status, or why there is no answer. */
export interface Answer {
  how: string;
  text: string;
  cookie: string;
}

/** Asks, as from some address. */
export function ask(
  { port, agent, from }: { port: number; agent: Agent; from: string },
  path: string,
  options: { body?: object | undefined; token?: string; cookie?: string | undefined } = {},
): Promise<Answer> {
  const text = options.body === undefined ? undefined : JSON.stringify(options.body);
  return new Promise((resolve) => {
    const fail = ({ message }: Error) => resolve({ how: message, text: '', cookie: '' });
    const asked = request(
      {
        port,
        agent,
        host: '127.0.0.1',
        path,
        method: text === undefined ? 'GET' : 'POST',
        headers: {
          'x-forwarded-for': from,
          origin: `http://127.0.0.1:${port}`,
          ...(options.cookie !== undefined && { cookie: options.cookie }),
          ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
          ...(text !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
          }),
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (part: string) => {
          text += part;
        });
        const [cookie = ''] = (answer.headers['set-cookie']?.[0] ?? '').split(';');
        answer.on('end', () => resolve({ how: String(answer.statusCode), text, cookie }));
        answer.on('error', fail);
      },
    );
    asked.on('error', fail);
    asked.end(text);
  });
}

/** A cookie that looks like that of a device. */
const madeUp = ({ cookieName }: Target) =>
  `${cookieName}=${randomBytes(16).toString('base64url')}.${randomBytes(32).toString('base64url')}`;

const guess = (
  nameOf: (target: Target, draw: Random) => string,
  cookieOf?: (target: Target) => string,
): Attack => ({
  atOnce: 100,
  start: (target, draw, agent) => async () => {
    const from = addressOf(target, draw);
    const body = { username: nameOf(target, draw), password: `guess ${draw.int(0, 1e9)}` };
    return (await ask({ port: target.port, agent, from }, '/login', { body, cookie: cookieOf?.(target) }))
      .how;
  },
});

/** Opens a socket of somebody. @returns what came of it; the socket is there if that is `open` */
function opening({ port }: Target, token: string): Promise<{ how: string; socket: WebSocket }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['chat.v2'], {
    headers: { authorization: `Bearer ${token}` },
  });
  return new Promise((resolve) => {
    const end = (how: string) => resolve({ how, socket });
    socket.on('open', () => end('open'));
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      end(String(response.statusCode));
    });
    socket.on('error', (error) => end(error.message));
  });
}

/** An extended connection that says something valid again and again, and reads what it is answered. */
function talker(target: Target, draw: Random, held: Held): Act {
  const { token, user_id } = draw.pick(target.accounts);
  let socket: WebSocket | undefined;
  const frames = [
    () => ({
      type: 'chat',
      id: `f-${draw.int(0, 1e9)}`,
      to_user_id: user_id,
      content: 'x'.repeat(draw.int(1, 2000)),
    }),
    () => ({ type: 'ping' }),
    () => ({ type: 'presence', user_ids: target.accounts.slice(0, 100).map((one) => one.user_id) }),
    () => ({ type: 'sync', positions: [] }),
    () => ({ type: 'typing', conversation_id: draw.int(1, 100) }),
    () => ({ type: 'read', conversation_id: draw.int(1, 100), seq: 1 }),
  ];
  return async () => {
    if (socket?.readyState !== WebSocket.OPEN) {
      const opened = await opening(target, token);
      if (opened.how !== 'open') return opened.how;
      socket = opened.socket;
      held.add({ end: () => opened.socket.terminate() });
    }
    const sending = socket;
    return new Promise((resolve) =>
      sending.send(JSON.stringify(draw.pick(frames)()), (error) => resolve(error?.message ?? 'sent')),
    );
  };
}

const ATTACKS = {
  'guesses against one account': guess(({ names }) => names[0] ?? ''),
  'guesses against all accounts': guess(({ names }, draw) => draw.pick(names)),
  'guesses that show made-up devices': guess(({ names }) => names[0] ?? '', madeUp),
  'made-up devices that ask for tokens': {
    atOnce: 100,
    start: (target, draw, agent) => async () => {
      const who = { port: target.port, agent, from: addressOf(target, draw) };
      return (await ask(who, '/api/exchange', { body: {}, cookie: madeUp(target) })).how;
    },
  },
  registrations: {
    atOnce: 100,
    start: (target, draw, agent) => async () => {
      const body = { username: `flood-${draw.int(0, 1e12)}`, password: 'a password' };
      return (await ask({ port: target.port, agent, from: addressOf(target, draw) }, '/register', { body }))
        .how;
    },
  },
  'valid frames': { atOnce: 40, start: (target, draw, _agent, held) => talker(target, draw, held) },
  'questions over HTTP': {
    atOnce: 40,
    start: (target, draw, agent) => {
      const { token } = draw.pick(target.accounts);
      const paths = ['/api/users?query=h', '/api/users', '/api/conversations', '/api/me'];
      const who = { port: target.port, agent, from: addressOf(target, draw) };
      return async () => (await ask(who, draw.pick(paths), { token })).how;
    },
  },
  'sockets of one user, opened and closed': {
    atOnce: 50,
    most: 20_000,
    start: (target) => async () => {
      const { how, socket } = await opening(target, target.accounts[0]?.token ?? '');
      socket.terminate();
      return how;
    },
  },
  'sockets of one user, kept': {
    atOnce: 50,
    most: 10_000,
    start: (target, _draw, _agent, held) => async () => {
      const { how, socket } = await opening(target, target.accounts[0]?.token ?? '');
      const one = { end: () => socket.terminate() };
      held.add(one);
      socket.on('close', () => held.delete(one));
      return how;
    },
  },
  'connections from one address, kept': {
    atOnce: 50,
    most: 10_000,
    // An address of its own, which the server doesn't take for a proxy's; elsewhere than on Linux there is only one.
    start: ({ port }, _draw, _agent, held) => {
      const from = process.platform === 'linux' ? { localAddress: '127.0.0.9' } : {};
      return () =>
        new Promise((resolve) => {
          const socket = connect({ port, host: '127.0.0.1', ...from });
          const one = { end: () => socket.destroy() };
          held.add(one);
          socket.resume();
          // As long as the first request of a slow client takes.
          socket.setTimeout(200, () => resolve('kept'));
          socket.on('error', () => {});
          socket.on('close', () => {
            held.delete(one);
            resolve('closed');
          });
        });
    },
  },
} as const satisfies Record<string, Attack>;
export type AttackName = keyof typeof ATTACKS;

export const attackNames = (part = ''): AttackName[] =>
  Object.keys(ATTACKS).filter((name): name is AttackName => name in ATTACKS && name.includes(part));

/** Does one thing so many times, or for so many milliseconds. @returns how often the server made what of it */
export async function attack(
  name: AttackName,
  target: Target,
  draw: Random,
  { count, ms = Number.POSITIVE_INFINITY }: { count: number; ms?: number },
): Promise<Record<string, number>> {
  const { atOnce, most = count, start }: Attack = ATTACKS[name];
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const met: Record<string, number> = {};
  const held: Held = new Set();
  const end = performance.now() + ms;
  let left = Math.min(count, most);
  const isOver = () => performance.now() >= end;
  const one = async (act: Act) => {
    while (left-- > 0 && !isOver()) {
      const how = await act().catch((error: Error) => {
        if (isOver()) return 'cut';
        throw error;
      });
      met[how] = (met[how] ?? 0) + 1;
    }
  };
  // What isn't read, since too much waits before it, isn't waited for.
  const cut = () => {
    agent.destroy();
    for (const one of held) one.end();
  };
  const timer = Number.isFinite(ms) ? setTimeout(cut, ms) : undefined;
  await Promise.all(
    Array.from({ length: atOnce }, (_, i) => one(start(target, draw.fork(`one ${i}`), agent, held))),
  );
  clearTimeout(timer);
  cut();
  return met;
}
