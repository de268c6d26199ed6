/**
 * What the libraries cost by themselves: a door for WebSockets that checks a token, and messages passed on in both protocols, none
 * stored. With REDIS_ADDR what is for somebody on another instance goes through Redis, all of a turn together; without, what is for
 * somebody who is away is kept in memory until they ask for it. With CONFIRMS a ping follows what a plain client is given, twice a
 * second at most: without its pong nobody could know that it arrived.
 */
import jwt from '@fastify/jwt';
import websocket from '@fastify/websocket';
import fastify from 'fastify';
import { createClient } from 'redis';

const { JWT_SECRET, HOST, PORT, REDIS_ADDR, CONFIRMS } = process.env;
const app = fastify({ logger: { level: 'warn' } });
await app.register(websocket);
await app.register(jwt, { secret: JWT_SECRET });
const sockets = new Map();
/** What is kept for who is away. */
const kept = new Map();
/** Frames for people on other instances, and for whom. */
let parcel = [];
let seq = 0;

const redis = REDIS_ADDR && (await createClient({ url: `redis://${REDIS_ADDR}` }).connect());
if (redis) {
  const channel = await redis.duplicate().connect();
  await channel.subscribe('bare', (text) => {
    for (const [to, frame] of JSON.parse(text)) sockets.get(to)?.send(frame);
  });
}

function publish() {
  void redis.publish('bare', JSON.stringify(parcel));
  parcel = [];
}

const PING_MS = 500;
/** When each was pinged last. */
const pinged = new WeakMap();

/** Gives a frame, and asks whether it arrived; both in one packet. */
function give(socket, frame) {
  const now = performance.now();
  if (!CONFIRMS || now - (pinged.get(socket) ?? 0) < PING_MS) {
    socket.send(frame);
    return;
  }
  pinged.set(socket, now);
  socket._socket.cork();
  socket.send(frame);
  socket.ping('1');
  socket._socket.uncork();
}

/** Sends a frame to somebody, wherever they are. */
function passOn(to, frame) {
  const socket = sockets.get(to);
  if (socket) give(socket, frame);
  else if (redis) {
    if (parcel.push([to, frame]) === 1) setImmediate(publish);
  } else {
    const frames = kept.get(to) ?? [];
    frames.push(frame);
    kept.set(to, frames);
  }
}

/** What waited for somebody, who has it from now on. */
function take(user) {
  const frames = kept.get(user) ?? [];
  kept.delete(user);
  return frames;
}

/** A conversation of two has both in its number. */
const MANY = 100_000;
const conversationOf = (a, b) => Math.min(a, b) * MANY + Math.max(a, b);
const otherIn = (conversation, user) => {
  const first = Math.floor(conversation / MANY);
  return first === user ? conversation % MANY : first;
};

const handlers = {
  extended(socket, from, { type, id, to_user_id, content, ...frame }) {
    if (type === 'chat') {
      const conversation_id = conversationOf(from, to_user_id);
      const place = { conversation_id, msg_id: ++seq, seq, created_at: new Date().toISOString() };
      socket.send(JSON.stringify({ type: 'sent', id, ...place }));
      passOn(to_user_id, JSON.stringify({ type, id, ...place, from_user_id: from, to_user_id, content }));
    } else if (type === 'ack') {
      const { conversation_id } = frame;
      const receipt = { type: 'receipt', conversation_id, user_id: from, delivered_seq: frame.seq };
      sockets.get(otherIn(conversation_id, from))?.send(JSON.stringify(receipt));
    } else if (type === 'sync') {
      for (const waiting of take(from)) socket.send(waiting);
      socket.send('{"type":"synced"}');
    }
  },
  plain(socket, from, { type, to_user_id, content }) {
    if (type === 'get_offline') socket.send(`{"type":"offline_list","data":[${take(from)}]}`);
    else if (type === 'get_online_list')
      socket.send(JSON.stringify({ type: 'online_list', data: [...sockets.keys()] }));
    else {
      const frame = JSON.stringify({ type, to_user_id, from_user_id: from, content });
      if (to_user_id !== undefined) passOn(to_user_id, frame);
      else for (const [user, other] of sockets) if (user !== from) other.send(frame);
    }
  },
};

const preValidation = async (request) => {
  request.from = app.jwt.verify(request.query.token).user_id;
};
app.get('/ws', { websocket: true, preValidation }, (socket, { from }) => {
  sockets.set(from, socket);
  socket.on('close', () => sockets.delete(from));
  const isExtended = socket.protocol === 'chat.v2';
  const handle = isExtended ? handlers.extended : handlers.plain;
  socket.on('message', (data) => handle(socket, from, JSON.parse(data)));
  if (isExtended) socket.send('{"type":"welcome"}');
});
await app.listen({ host: HOST, port: Number(PORT) });
process.on('SIGTERM', () => process.exit());
process.stdout.write('is ready\n');
