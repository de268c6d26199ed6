/** What the fuzz run starts from, and what it does to it. */
import type { Random } from './fault/random.js';
import { HANDSHAKE, rawFrame, rawRequest } from './raw.js';

/** Who a mutated request speaks for. */
export interface Speaker {
  user_id: number;
  token: string;
}

/** Pieces that have broken servers before. */
const NASTY = [
  ...[
    '\0',
    '\r\n',
    '\r\n\r\n',
    '\n',
    '\t',
    ' ',
    '"',
    "'",
    '\\',
    '%00',
    '%',
    '%ff',
    '\\u0000',
    '\\ud800',
    '\\udc00',
  ],
  ...[
    '\u202e',
    '\ufeff',
    '\u200b',
    '🦊',
    'é',
    'İ',
    'ß',
    '../',
    '//',
    '?',
    '#',
    '&',
    '=',
    ';',
    ',',
    ':',
    '@',
    '*',
  ],
  ...[
    'null',
    'true',
    '0',
    '-1',
    '1.5',
    '1e999',
    '9007199254740993',
    '99999999999999999999',
    '-0',
    'NaN',
    '0x10',
  ],
  ...[
    '[]',
    '{}',
    '[[[[',
    '{"a":',
    '}',
    ']',
    '"__proto__":',
    '"constructor":',
    '"type":"chat",',
    '"id":"~x",',
  ],
  ...['Content-Length: 5\r\n', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n', 'Upgrade: h2c\r\n'],
  ...['Expect: 100-continue\r\n', 'Host: \r\n', 'Content-Type: text/plain\r\n', 'Content-Encoding: gzip\r\n'],
  ...["' or 1=1 --", '%_', '$1', '<script>', 'x'.repeat(300), '['.repeat(500), 'é'.repeat(100)],
];

/** Changes some bytes: flips, cuts, repeats, inserts. */
function mutate(random: Random, original: Buffer, changes = random.int(1, 5)): Buffer {
  let bytes = Buffer.from(original);
  for (let i = 0; i < changes; i++) {
    const at = random.int(0, Math.max(0, bytes.length - 1));
    const end = Math.min(bytes.length, at + random.int(1, 30));
    const parts = {
      flip: () => {
        const copy = Buffer.from(bytes);
        copy[at] = (copy[at] ?? 0) ^ (1 << random.int(0, 7));
        return copy;
      },
      cut: () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]),
      end: () => bytes.subarray(0, at),
      repeat: () => Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]),
      insert: () =>
        Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(NASTY)), bytes.subarray(at)]),
      replace: () =>
        Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(NASTY)), bytes.subarray(end)]),
      noise: () =>
        Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(Array.from({ length: random.int(1, 8) }, () => random.int(0, 255))),
          bytes.subarray(at),
        ]),
    };
    bytes = parts[random.pick(Object.keys(parts) as (keyof typeof parts)[])]();
  }
  return bytes;
}

interface Request {
  method: string;
  target: string;
  headers?: Record<string, string>;
  body?: string;
}

function requests({ user_id, token }: Speaker): Request[] {
  const headers = { Authorization: `Bearer ${token}` };
  const credentials = '{"username":"fuzz","password":"correct horse"}';
  return [
    { method: 'POST', target: '/register', body: credentials },
    { method: 'POST', target: '/login', body: credentials },
    { method: 'GET', target: '/api/me', headers },
    { method: 'POST', target: '/api/token', headers },
    { method: 'GET', target: '/api/users?query=fu&limit=20', headers },
    { method: 'GET', target: `/api/users/${user_id}`, headers },
    { method: 'GET', target: '/api/conversations?cursor=5&limit=10', headers },
    { method: 'GET', target: '/api/conversations/1/messages?before=10&limit=5', headers },
    { method: 'GET', target: '/api/conversations/1/messages?after=0', headers },
    { method: 'POST', target: '/api/conversations/1/read', headers, body: '{"seq":1}' },
    {
      method: 'POST',
      target: '/api/messages',
      headers: { ...headers, 'Idempotency-Key': 'key-1' },
      body: `{"to_user_id":${user_id},"content":"hello","id":"one"}`,
    },
    {
      method: 'POST',
      target: '/api/messages',
      headers,
      body: '{"conversation_id":1,"content":"hello","mentions":[1,2],"mention_all":true,"reply_to":1}',
    },
    {
      method: 'PATCH',
      target: '/api/conversations/1/settings',
      headers,
      body: '{"level":"all","muted_until":5,"pinned":true,"hidden":true,"unread_from":1}',
    },
    { method: 'PATCH', target: '/api/me', headers, body: '{"muted_until":5}' },
    {
      method: 'PATCH',
      target: '/api/conversations/1/messages/1',
      headers,
      body: '{"content":"hello","base":0,"mentions":[1]}',
    },
    { method: 'PUT', target: '/api/conversations/1/messages/1/reactions/%F0%9F%91%8D', headers },
    { method: 'GET', target: '/api/conversations/1/messages/1/reactions?cursor=1.x&limit=2', headers },
    { method: 'GET', target: '/api/conversations/1/changes?after=1&limit=2', headers },
    { method: 'PUT', target: '/api/saved/1/1', headers },
    { method: 'GET', target: '/api/conversations/1/export?format=html', headers },
    { method: 'GET', target: '/healthz' },
    { method: 'GET', target: '/readyz' },
    { method: 'GET', target: '/' },
    { method: 'GET', target: `/ws?token=${token}`, headers: HANDSHAKE },
    { method: 'GET', target: '/ws', headers: { ...HANDSHAKE, ...headers, Origin: 'http://chat.example' } },
    {
      method: 'POST',
      target: '/login',
      headers: { Connection: 'Upgrade', Upgrade: 'h2c' },
      body: credentials,
    },
  ];
}

/** A request with something wrong: anywhere, or in one part with the rest intact, so that it gets further. */
export function badRequest(random: Random, speaker: Speaker): Buffer {
  const { method, target, headers = {}, body } = random.pick(requests(speaker));
  const text = (original: string) => mutate(random, Buffer.from(original)).toString();
  const line = (original: string) => text(original).replace(/[\r\n\0 ]/g, '');
  const whole = () => rawRequest(method, target, { headers, ...(body !== undefined && { body }) });
  switch (random.int(0, 5)) {
    case 0:
      return mutate(random, whole());
    case 1:
      return rawRequest(method, target, { headers, body: mutate(random, Buffer.from(body ?? '{}')) });
    case 2:
      return rawRequest(method, line(target), { headers, ...(body !== undefined && { body }) });
    case 3: {
      const entries = Object.entries({ Accept: '*/*', ...headers });
      const [name, value] = random.pick(entries);
      return rawRequest(method, target, {
        headers: { ...headers, [name]: text(value).replace(/[\r\n]/g, '') },
        ...(body !== undefined && { body }),
      });
    }
    case 4: {
      const other = random.pick([
        'GET',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'TRACE',
        'QUERY',
        'BREW',
        'CONNECT',
      ]);
      return rawRequest(other, target, { headers, ...(body !== undefined && { body }) });
    }
    default:
      return Buffer.concat([whole(), mutate(random, whole()), whole()]);
  }
}

const frames = (user_id: number) => [
  `{"type":"chat","to_user_id":${user_id},"content":"hello"}`,
  `{"type":"chat","to_user_id":${user_id},"content":"hello","id":"a-1"}`,
  '{"type":"chat","conversation_id":1,"content":"hello","id":"a-2"}',
  '{"type":"get_online_list"}',
  '{"type":"get_offline"}',
  '{"type":"sync","id":"s","positions":[{"conversation_id":1,"seq":0}],"more":false}',
  '{"type":"sync","positions":[]}',
  '{"type":"ack","conversation_id":1,"seq":1}',
  '{"type":"read","id":"r","conversation_id":1,"seq":1}',
  '{"type":"typing","conversation_id":1}',
  '{"type":"edit","id":"e","conversation_id":1,"seq":1,"content":"x","base":0,"mentions":[1]}',
  '{"type":"delete","id":"d","conversation_id":1,"seq":1}',
  '{"type":"react","id":"r","conversation_id":1,"seq":1,"emoji":"👍","on":true}',
  `{"type":"presence","id":"p","user_ids":[${user_id},2,3]}`,
  '{"type":"token","id":"t","token":"a.b.c"}',
  '{"type":"ping","id":"x"}',
];

/** Frames of a client of which some are wrong: in their text, or in the bytes that carry it. */
export function badFrames(random: Random, { user_id }: Speaker): Buffer {
  const list = Array.from({ length: random.int(1, 8) }, () => {
    const text = Buffer.from(random.pick(frames(user_id)));
    if (random.chance(0.4)) return rawFrame(1, text);
    if (random.chance(0.7)) {
      // Text that isn't UTF-8 ends the connection before it is read as anything.
      const bad = mutate(random, text);
      return rawFrame(1, random.chance(0.9) ? bad.toString() : bad);
    }
    const opcode = random.pick([0, 1, 2, 8, 9, 10, random.int(3, 15)]);
    const parts = {
      final: random.chance(0.7),
      masked: random.chance(0.9),
      reserved: random.chance(0.9) ? 0 : random.int(1, 7),
    };
    return random.chance(0.5) ? rawFrame(opcode, text, parts) : mutate(random, rawFrame(1, text));
  });
  return Buffer.concat(list);
}
