/** What strangers do at the doors, and what people who are in do too often: each attack does one thing as often as it is let. */
import { Agent, request } from 'node:http';
import WebSocket from 'ws';
import type { Random } from '../fault/random.js';
import type { Account } from './peer.js';

/** At what, and whose. */
export interface Target {
  port: number;
  /** Addresses that the attacker has: the server believes what this machine says of them. */
  addresses: number;
  /** Names with a password. */
  names: readonly string[];
  /** Users that the attacker has tokens of. */
  accounts: readonly Account[];
}

/** One thing that is done; what the server makes of it. */
type Act = () => Promise<string>;

interface Attack {
  /** How many are under way at a time. */
  atOnce: number;
  /** Makes what one of these does again and again. @param target whom; @param agent its connections */
  start(target: Target, draw: Random, agent: Agent): Act;
}

const addressOf = ({ addresses }: Target, draw: Random) => {
  const number = draw.int(0, addresses - 1);
  return `10.1.${number >> 8}.${number & 255}`;
};

/** Asks, as from some address. @returns the status */
export function ask(
  { port, agent, from }: { port: number; agent: Agent; from: string },
  path: string,
  options: { body?: object; token?: string } = {},
): Promise<string> {
  const text = options.body === undefined ? undefined : JSON.stringify(options.body);
  return new Promise((resolve) => {
    const asked = request(
      {
        port,
        agent,
        host: '127.0.0.1',
        path,
        method: text === undefined ? 'GET' : 'POST',
        headers: {
          'x-forwarded-for': from,
          ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
          ...(text !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
          }),
        },
      },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(String(answer.statusCode)));
        answer.on('error', (error) => resolve(error.message));
      },
    );
    asked.on('error', (error) => resolve(error.message));
    asked.end(text);
  });
}

const guess = (nameOf: (target: Target, draw: Random) => string): Attack => ({
  atOnce: 100,
  start: (target, draw, agent) => () => {
    const from = addressOf(target, draw);
    const body = { username: nameOf(target, draw), password: `guess ${draw.int(0, 1e9)}` };
    return ask({ port: target.port, agent, from }, '/login', { body });
  },
});

/** An extended connection that says something valid again and again, and reads what it is answered. */
function talker(target: Target, draw: Random): Act {
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
      socket = new WebSocket(`ws://127.0.0.1:${target.port}/ws`, ['chat.v2'], {
        headers: { authorization: `Bearer ${token}` },
      });
      const opening = socket;
      const opened = await new Promise<string>((resolve) => {
        opening.on('open', () => resolve('open'));
        opening.on('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
        opening.on('error', (error) => resolve(error.message));
      });
      if (opened !== 'open') return opened;
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
  registrations: {
    atOnce: 100,
    start: (target, draw, agent) => () => {
      const body = { username: `flood-${draw.int(0, 1e12)}`, password: 'a password' };
      return ask({ port: target.port, agent, from: addressOf(target, draw) }, '/register', { body });
    },
  },
  'valid frames': { atOnce: 40, start: talker },
  'questions over HTTP': {
    atOnce: 40,
    start: (target, draw, agent) => {
      const { token } = draw.pick(target.accounts);
      const paths = ['/api/users?query=h', '/api/users', '/api/conversations', '/api/me'];
      const who = { port: target.port, agent, from: addressOf(target, draw) };
      return () => ask(who, draw.pick(paths), { token });
    },
  },
  'connections of one user': {
    atOnce: 50,
    start: ({ port, accounts }) => {
      const headers = { authorization: `Bearer ${accounts[0]?.token}` };
      return () =>
        new Promise((resolve) => {
          const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['chat.v2'], { headers });
          const end = (how: string) => {
            resolve(how);
            socket.terminate();
          };
          socket.on('open', () => end('open'));
          socket.on('unexpected-response', (_request, response) => end(String(response.statusCode)));
          socket.on('error', (error) => end(error.message));
        });
    },
  },
} as const satisfies Record<string, Attack>;
export type AttackName = keyof typeof ATTACKS;

export const attackNames = (part = ''): AttackName[] =>
  Object.keys(ATTACKS).filter((name): name is AttackName => name in ATTACKS && name.includes(part));

/** Does one thing so many times. @returns how often the server made what of it */
export async function attack(
  name: AttackName,
  target: Target,
  draw: Random,
  count: number,
): Promise<Record<string, number>> {
  const { atOnce, start } = ATTACKS[name];
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const met: Record<string, number> = {};
  let left = count;
  const one = async (act: Act) => {
    while (left-- > 0) {
      const how = await act();
      met[how] = (met[how] ?? 0) + 1;
    }
  };
  await Promise.all(
    Array.from({ length: atOnce }, (_, i) => one(start(target, draw.fork(`one ${i}`), agent))),
  );
  agent.destroy();
  return met;
}
