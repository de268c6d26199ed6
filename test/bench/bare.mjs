/**
 * What the libraries cost by themselves: a door for WebSockets that checks a token, and messages passed on in both protocols, none
 * stored. With REDIS_ADDR, of one Redis or of the nodes of a cluster, what is for somebody on another instance goes through Redis, all of
 * a turn for one instance together; without, what is for somebody who is away is kept in memory until they ask for it. With CONFIRMS a ping follows what a plain client is given, twice a
 * second at most: without its pong nobody could know that it arrived.
 */
import jwt from '@fastify/jwt';
import websocket from '@fastify/websocket';
import fastify from 'fastify';
import { createClient, createCluster } from 'redis';

const { JWT_SECRET, HOST, PORT, REDIS_ADDR, CONFIRMS, INSTANCE_ID } = process.env;
const app = fastify({ logger: { level: 'warn' } });
await app.register(websocket);
await app.register(jwt, { secret: JWT_SECRET });
const sockets = new Map();
/** What is kept for who is away. */
const kept = new Map();
/** On which instance others are, as these have said. */
const places = new Map();
/** Frames for people on other instances, and for whom, by instance. */
let parcels = new Map();
let seq = 0;

function openRedis() {
  const nodes = REDIS_ADDR.split(',').map((node) => ({ url: `redis://${node}` }));
  return (nodes.length > 1 ? createCluster({ rootNodes: nodes }) : createClient(nodes[0])).connect();
}

const redis = REDIS_ADDR && (await openRedis());
if (redis) {
  const channels = await openRedis();
  await channels.sSubscribe('bare:all', (text) => {
    const [user, instance] = JSON.parse(text);
    places.set(user, instance);
  });
  await channels.sSubscribe(`bare:${INSTANCE_ID}`, (text) => {
    for (const [to, frame] of JSON.parse(text)) sockets.get(to)?.send(frame);
  });
}

function publish() {
  for (const [instance, parcel] of parcels) void redis.sPublish(`bare:${instance}`, JSON.stringify(parcel));
  parcels = new Map();
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
    const instance = places.get(to);
    if (parcels.size === 0) setImmediate(publish);
    const parcel = parcels.get(instance) ?? [];
    parcels.set(instance, parcel);
    parcel.push([to, frame]);
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
app.get('/ws', { websocket: true, preValidation }, async (socket, { from }) => {
  sockets.set(from, socket);
  socket.on('close', () => sockets.delete(from));
  const isExtended = socket.protocol === 'chat.v2';
  const handle = isExtended ? handlers.extended : handlers.plain;
  socket.on('message', (data) => handle(socket, from, JSON.parse(data)));
  if (redis) await redis.sPublish('bare:all', JSON.stringify([from, INSTANCE_ID]));
  if (isExtended) socket.send('{"type":"welcome"}');
});
await app.listen({ host: HOST, port: Number(PORT) });
process.on('SIGTERM', () => process.exit());
process.stdout.write('is ready\n');
