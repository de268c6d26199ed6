// Logs two people in, who are registered the first time, and sends a message from one to the other, all through one address:
//   node smoke.mjs http://nginx:8080 [host name to ask for]
// It is in the server's image, so a machine that runs the service needs nothing else:
//   docker compose exec -T server node smoke.mjs http://nginx:8080
import { createHmac, randomBytes } from 'node:crypto';
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const [address, host] = process.argv.slice(2);
if (!address) {
  console.error('usage: node smoke.mjs http://address[:port] [host name]');
  process.exit(2);
}
const base = new URL(address);
const headers = host ? { Host: host } : {};
// The address may be the entrance's inner one; the certificate must still be the service's.
const tls = host ? { servername: host } : {};
const wait = 15_000;

// The same two accounts each time, with passwords that only those know who know the service's secret.
const secret = process.env.JWT_SECRET || randomBytes(32).toString('hex');
const derive = (purpose) =>
  createHmac('sha256', secret).update(`smoke ${purpose}`).digest('hex').slice(0, 32);
const people = ['a', 'b'].map((name) => ({
  username: `smoke-${derive(`name ${name}`).slice(0, 12)}`,
  password: derive(`password ${name}`),
}));

function postOnce(path, body) {
  const text = JSON.stringify(body);
  const send = base.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const request = send(
      new URL(path, base),
      {
        method: 'POST',
        headers: {
          ...headers,
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(text),
        },
        ...tls,
        timeout: wait,
      },
      async (answer) => {
        const parts = [];
        for await (const part of answer) parts.push(part);
        const reply = Buffer.concat(parts).toString();
        try {
          resolve({ status: answer.statusCode, ...JSON.parse(reply) });
        } catch {
          reject(new Error(`${path} answered ${answer.statusCode} with ${reply.slice(0, 200)}`));
        }
      },
    );
    request.on('timeout', () => request.destroy(new Error(`${path} did not answer in ${wait} ms`)));
    request.on('error', reject);
    request.end(text);
  });
}

/** Whoever tries too often is told when to come back. */
async function post(path, body) {
  for (;;) {
    const answer = await postOnce(path, body);
    if (answer.status !== 429) return answer;
    await sleep(answer.retry_after_ms ?? 1000);
  }
}

function connect(token) {
  const url = new URL('/ws', base);
  url.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, {
    headers: { ...headers, Authorization: `Bearer ${token}` },
    handshakeTimeout: wait,
    ...tls,
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function signIn(person) {
  let answer = await post('/login', person);
  const isNew = answer.status === 401;
  if (isNew) {
    const registered = await post('/register', person);
    if (registered.code !== 0) {
      throw new Error(`/register answered ${registered.status}: ${registered.message}`);
    }
    answer = await post('/login', person);
  }
  if (answer.code !== 0) throw new Error(`/login answered ${answer.status}: ${answer.message}`);
  return { ...answer.data, registered: isNew };
}

async function exchange() {
  const [a, b] = [await signIn(people[0]), await signIn(people[1])];
  const receiver = await connect(b.token);
  const content = `smoke ${randomBytes(8).toString('hex')}`;
  const received = new Promise((resolve, reject) => {
    receiver.on('message', (data) => {
      const frame = JSON.parse(data);
      if (frame.type === 'chat' && frame.content === content) resolve(frame);
    });
    receiver.on('close', (code) => reject(new Error(`the receiver was closed with ${code}`)));
  });
  const sender = await connect(a.token);
  const refused = new Promise((_, reject) => {
    sender.on('message', (data) => {
      const frame = JSON.parse(data);
      if (frame.type === 'error') reject(new Error(`the message was refused: ${frame.content}`));
    });
    sender.on('close', (code) => reject(new Error(`the sender was closed with ${code}`)));
  });
  const started = performance.now();
  sender.send(JSON.stringify({ type: 'chat', to_user_id: b.user_id, content }));
  const frame = await Promise.race([received, refused]);
  if (frame.from_user_id !== a.user_id || frame.to_user_id !== b.user_id) {
    throw new Error(`the message came as ${JSON.stringify(frame)}`);
  }
  return { milliseconds: Math.round(performance.now() - started), registered: a.registered && b.registered };
}

// Whatever hangs, the answer comes.
const timer = setTimeout(() => {
  console.error('smoke test failed: nothing arrived in a minute');
  process.exit(1);
}, 60_000);
try {
  const { milliseconds, registered } = await exchange();
  clearTimeout(timer);
  console.log(
    `smoke test passed: ${registered ? 'registered, ' : ''}logged in, and a message arrived in ${milliseconds} ms`,
  );
  process.exit(0);
} catch (error) {
  console.error(`smoke test failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
