/** What the libraries cost by themselves: a door for WebSockets that checks a token, and nothing behind it. */
import jwt from '@fastify/jwt';
import websocket from '@fastify/websocket';
import fastify from 'fastify';

const app = fastify({ logger: { level: 'warn' } });
await app.register(websocket);
await app.register(jwt, { secret: process.env.JWT_SECRET });
const preValidation = async (request) => app.jwt.verify(request.query.token);
app.get('/ws', { websocket: true, preValidation }, (socket) => socket.on('message', () => {}));
await app.listen({ host: process.env.HOST, port: Number(process.env.PORT) });
process.on('SIGTERM', () => process.exit());
process.stdout.write('is ready\n');
