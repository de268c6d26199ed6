/** One message, followed from socket to socket through the files that it enters. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { Outlet } from '../plugins/connection/outlet.js';
import { SocketTransport } from '../routes/ws/transport.js';
import { build, connectSynced, signUp } from './helper.js';

Error.stackTraceLimit = 100;
const server = await build(t);

/** The files of the server that the running call came through, from the outermost. */
function filesOnStack(): string[] {
  const lines = new Error().stack?.split('\n').slice(1).reverse() ?? [];
  const files = lines.flatMap((line) => /((?:plugins|routes|sql)\/[\w/-]+\.ts)/.exec(line)?.[1] ?? []);
  return files.filter((file, i) => file !== files[i - 1]);
}

/** Notes the way to each call of a method, and the file that it is in, from now on. */
function watch(of: object, method: string, file: string, note: (files: string[], args: unknown[]) => void) {
  const original: (...args: unknown[]) => unknown = Reflect.get(of, method);
  Reflect.set(of, method, function (this: object, ...args: unknown[]) {
    note([...filesOnStack(), file], args);
    return original.apply(this, args);
  });
  t.teardown(() => Reflect.set(of, method, original));
}

t.test('a message enters each file once, as plugins/README.md says', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  const way: string[] = [];
  let before: string[] = [];
  // Where a call that was there before goes on, it isn't entered again.
  const enter = (files: string[]) => {
    const known = files.findIndex((file, i) => file !== before[i]);
    for (const file of known === -1 ? [] : files.slice(known)) if (way.at(-1) !== file) way.push(file);
    before = files;
  };
  const { messages, db } = server.app;
  watch(messages, 'append', 'plugins/log/log.ts', enter);
  watch(db.log, 'ask', 'plugins/db/lanes.ts', enter);
  // What is written to the receiver, and not the answer to the sender.
  let writes = false;
  watch(Outlet.prototype, 'push', 'plugins/connection/outlet.ts', (files, [frame]) => {
    if (!String(frame).includes('"type":"chat"')) return;
    writes = true;
    enter(files);
  });
  watch(SocketTransport.prototype, 'write', 'routes/ws/transport.ts', (files, [bytes]) => {
    if (writes && String(bytes).includes('"type":"chat"')) enter(files);
  });
  a.send('chat', { id: 'followed', to_user_id: bob.user_id, content: 'hello' });
  await b.next('chat');
  const text = await readFile('plugins/README.md', 'utf8');
  const said = [...text.matchAll(/^\d+\. `([\w/.-]+)`/gm)].map(([, file]) => file);
  t.strictSame(way, said);
  t.equal(new Set(way).size, way.length, 'none twice');
});
