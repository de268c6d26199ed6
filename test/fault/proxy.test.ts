import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type Test, test } from 'tap';
import { sleep } from './clock.js';
import { startProxy } from './proxy.js';

/** How a socket ends: true if it broke. */
const ended = (socket: Socket) => new Promise<boolean>((resolve) => socket.once('close', resolve));

/** A client and a server with the proxy between them. */
async function line(t: Test) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const proxy = await startProxy(typeof address === 'object' && address ? address.port : 0);
  const client = connect(proxy.port, '127.0.0.1');
  const far = await new Promise<Socket>((resolve) => server.once('connection', resolve));
  const got = { client: '', far: '' };
  client.on('data', (piece: Buffer) => (got.client += piece));
  far.on('data', (piece: Buffer) => (got.far += piece));
  for (const socket of [client, far]) socket.on('error', () => {});
  // Listened for from the beginning: on a busy machine a socket may be gone before a test waits for it.
  const closed = { client: ended(client), far: ended(far) };
  t.teardown(async () => {
    client.destroy();
    far.destroy();
    await proxy.close();
    server.close();
  });
  const [pair] = proxy.lines();
  if (!pair) throw new Error('no line');
  return { client, far, proxy, pair, server, got, closed };
}

test('forwards both ways, and knows a line by its client', async (t) => {
  const { client, far, pair, got } = await line(t);
  client.write('hello');
  await once(far, 'data');
  far.write('hi');
  await once(client, 'data');
  t.strictSame(got, { client: 'hi', far: 'hello' });
  t.equal(pair.port, client.localPort);
});

test('a polite end reaches the other side', async (t) => {
  const { client, proxy, closed } = await line(t);
  client.end('bye');
  await closed.far;
  await sleep(10);
  t.strictSame(proxy.lines(), []);
});

test('a cut resets both ends', async (t) => {
  const { pair, proxy, closed } = await line(t);
  pair.cut();
  const [broken, alike] = await Promise.all([closed.client, closed.far]);
  t.ok(broken && alike, 'with an error, not with an end');
  t.strictSame(proxy.lines(), []);
});

test('a stalled line keeps what is written until it goes on', async (t) => {
  const { client, far, pair, got } = await line(t);
  pair.stall(150);
  client.write('one');
  far.write('two');
  await sleep(80);
  t.strictSame(got, { client: '', far: '' });
  await sleep(150);
  t.strictSame(got, { client: 'two', far: 'one' });
});

test('a client that vanishes leaves the server in the dark', async (t) => {
  const { pair, closed } = await line(t);
  pair.vanish(150);
  const first = await Promise.race([closed.client.then(() => 'client'), closed.far.then(() => 'server')]);
  t.equal(first, 'client', 'the server knows of nothing yet');
  await closed.far;
});

test('a line that crawls loses nothing', async (t) => {
  const { client, far, pair, got } = await line(t);
  pair.crawl(100, 30);
  for (let count = 0; count < 5; count++) {
    client.write(`${count}`);
    await sleep(10);
  }
  t.ok(got.far.length < 5, 'it takes its time');
  while (got.far.length < 5) await once(far, 'data');
  t.equal(got.far, '01234');
});

test('a reader that stops is passed on as back-pressure', async (t) => {
  const { client, far } = await line(t);
  client.pause();
  const piece = Buffer.alloc(1 << 20);
  let count = 0;
  while (far.write(piece) || (await Promise.race([once(far, 'drain'), sleep(300)]))) {
    count++;
    if (count > 64) break;
  }
  t.ok(count <= 64, 'the proxy does not swallow it');
});

test('a forgotten line swallows all, and no end hears of the other again', async (t) => {
  const { client, far, pair, proxy, got, closed } = await line(t);
  pair.forget(300);
  client.write('one');
  far.write('two');
  client.end();
  await sleep(100);
  t.strictSame(got, { client: '', far: '' });
  t.notOk(far.readableEnded || client.readableEnded, 'an end does not come through either');
  t.ok(await closed.far, 'its system notices in the end');
  while (proxy.lines().length > 0) await sleep(10);
});

test('a line is cut in the middle of an answer', async (t) => {
  const { client, far, pair, got, closed } = await line(t);
  pair.cutAfter(5);
  far.write('abc');
  await once(client, 'data');
  far.write('defg');
  const [broken] = await Promise.all([closed.far, closed.client]);
  t.ok(broken, 'the server sees a reset');
  t.equal(got.client, 'abcde');
});

test('what is done to the next question is done to the line that it comes on', async (t) => {
  const { client, far, proxy, pair, got } = await line(t);
  const met: number[] = [];
  proxy.onNext((line) => {
    met.push(line.port);
    line.forget(1000);
  }, 'select');
  client.write('begin');
  await once(far, 'data');
  client.write('select 1');
  while (met.length === 0) await sleep(10);
  client.write('select 2');
  await sleep(50);
  t.strictSame(met, [pair.port]);
  t.equal(got.far, 'begin');
});

test('where the network is parted, new lines are silent, too, until it is whole again', async (t) => {
  const { client, proxy, server, got, closed } = await line(t);
  proxy.part(200);
  const open = async (word: string) => {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.on('error', () => {});
    t.teardown(() => socket.destroy());
    const [other] = await once(server, 'connection');
    other.on('error', () => {});
    other.on('data', (piece: Buffer) => (heard += piece));
    socket.write(word);
  };
  let heard = '';
  client.write('old');
  await open('early');
  t.ok(await closed.far, 'the old line is gone at the server');
  await open('late');
  while (heard === '') await sleep(10);
  t.strictSame([got.far, heard], ['', 'late']);
});
