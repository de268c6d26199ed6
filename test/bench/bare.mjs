/** What the libraries cost by themselves: a door for WebSockets that checks a token, and messages passed on, none stored. */
import jwt from '@fastify/jwt';
import websocket from '@fastify/websocket';
import fastify from 'fastify';

const app = fastify({ logger: { level: 'warn' } });
await app.register(websocket);
await app.register(jwt, { secret: process.env.JWT_SECRET });
const sockets = new Map();
const preValidation = async (request) => {
  request.from = app.jwt.verify(request.query.token).user_id;
};
app.get('/ws', { websocket: true, preValidation }, (socket, { from }) => {
  sockets.set(from, socket);
  socket.on('message', (data) => {
    const { type, to_user_id, content } = JSON.parse(data);
    const frame = JSON.stringify({ type, to_user_id, from_user_id: from, content });
    if (to_user_id !== undefined) sockets.get(to_user_id)?.send(frame);
    else for (const [user, other] of sockets) if (user !== from) other.send(frame);
  });
});
await app.listen({ host: process.env.HOST, port: Number(process.env.PORT) });
process.on('SIGTERM', () => process.exit());
process.stdout.write('is ready\n');
