import { readFile } from 'node:fs/promises';
import t from 'tap';
import { extendedClient, extendedServer, plainClient, plainServer } from '../schemas/frames.js';
import { LIMITS } from '../schemas/limits.js';
import { build, connect, connectSynced, signUp } from './helper.js';

const server = await build(t);

/** What the OpenAPI document says of the body of a request. */
interface Operation {
  requestBody?: { content: { 'application/json': { examples?: Record<string, { value: object }> } } };
}

t.test('the OpenAPI document has every route with its answers', async (t) => {
  const { status, body } = await server.request('GET', '/api/openapi.json');
  t.equal(status, 200);
  t.equal(body.openapi, '3.1.0');
  t.strictSame(Object.keys(body.paths).sort(), [
    '/api/admin/audit',
    '/api/admin/invites',
    '/api/admin/invites/{id}',
    '/api/admin/users',
    '/api/admin/users/{id}',
    '/api/admin/users/{id}/demote',
    '/api/admin/users/{id}/end_second_factor',
    '/api/admin/users/{id}/promote',
    '/api/admin/users/{id}/reset',
    '/api/admin/users/{id}/restore',
    '/api/admin/users/{id}/sign_out',
    '/api/admin/users/{id}/suspend',
    '/api/blocks',
    '/api/blocks/{user_id}',
    '/api/channels',
    '/api/contacts',
    '/api/contacts/{user_id}',
    '/api/conversations',
    '/api/conversations/{id}',
    '/api/conversations/{id}/changes',
    '/api/conversations/{id}/export',
    '/api/conversations/{id}/join',
    '/api/conversations/{id}/members',
    '/api/conversations/{id}/members/{user_id}',
    '/api/conversations/{id}/messages',
    '/api/conversations/{id}/messages/{seq}',
    '/api/conversations/{id}/messages/{seq}/reactions',
    '/api/conversations/{id}/messages/{seq}/reactions/{emoji}',
    '/api/conversations/{id}/messages/{seq}/replies',
    '/api/conversations/{id}/pins',
    '/api/conversations/{id}/pins/{seq}',
    '/api/conversations/{id}/read',
    '/api/conversations/{id}/receipts',
    '/api/conversations/{id}/settings',
    '/api/door',
    '/api/exchange',
    '/api/logout',
    '/api/me',
    '/api/messages',
    '/api/notice',
    '/api/password',
    '/api/reset',
    '/api/saved',
    '/api/saved/{conversation_id}/{seq}',
    '/api/search',
    '/api/second-factor',
    '/api/second-factor/secret',
    '/api/sessions',
    '/api/sessions/{id}',
    '/api/token',
    '/api/users',
    '/api/users/{id}',
    '/healthz',
    '/livez',
    '/login',
    '/metrics',
    '/readyz',
    '/register',
    '/ws',
  ]);
  t.strictSame(Object.keys(body.paths['/api/messages'].post.responses).sort(), ['200', '4XX', '5XX']);
});

t.test('the AsyncAPI document has every frame of both protocols', async (t) => {
  const { body } = await server.request('GET', '/api/asyncapi.json');
  t.equal(body.asyncapi, '3.0.0');
  const names = (client: object, from: object) => [
    ...Object.keys(client).map((type) => `client_${type}`),
    ...Object.keys(from).map((type) => `server_${type}`),
  ];
  t.strictSame(Object.keys(body.channels.plain.messages), names(plainClient, plainServer));
  t.strictSame(Object.keys(body.channels.extended.messages), names(extendedClient, extendedServer));
});

t.test('the metrics count what is connected and stored', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const [a, b] = [await connect(t, server, alice), await connect(t, server, bob)];
  a.send('chat', { to_user_id: bob.user_id, content: 'hello' });
  await b.next('chat');
  a.send('chat', { to_user_id: alice.user_id, content: 'a note to oneself' });
  await a.next('chat');
  const listed = await server.request('GET', '/api/conversations', { token: bob.token });
  const [{ conversation_id }] = listed.body.data.conversations;
  const place = `/api/conversations/${conversation_id}/messages/1`;
  const thumb = `${place}/reactions/${encodeURIComponent('👍')}`;
  for (const [method, path, by, status] of [
    ['PUT', thumb, bob, 200],
    ['PUT', thumb, bob, 200],
    ['DELETE', thumb, bob, 200],
    ['DELETE', place, bob, 403],
    ['DELETE', place, alice, 200],
  ] as const)
    t.equal((await server.request(method, path, { token: by.token })).status, status);
  const response = await fetch(`${server.url}/metrics`);
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const lines = (await response.text()).split('\n');
  for (const line of [
    'chat_connections 2',
    'chat_messages_stored_total 2',
    'chat_messages_delivered_total 2',
    'chat_edits_total 0',
    'chat_deletions_total 1',
    'chat_reactions_total 2',
    'chat_changes_refused_total 1',
    'chat_database_up 1',
  ])
    t.ok(lines.includes(line), line);
});

t.test('the examples in the documents do what they show', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const { token } = alice;
  const made = await server.request('POST', '/api/conversations', {
    token,
    body: { title: 'crew', user_ids: [bob.user_id] },
  });
  const { conversation_id } = made.body.data;
  const http = await server.request('GET', '/api/openapi.json');
  const frames = await server.request('GET', '/api/asyncapi.json');
  const paths: Record<string, Record<string, Operation>> = http.body.paths;
  let run = 0;
  for (const [path, operations] of Object.entries(paths))
    for (const [method, { requestBody }] of Object.entries(operations))
      for (const { value } of Object.values(requestBody?.content['application/json'].examples ?? {})) {
        const body = { ...value, ...('conversation_id' in value && { conversation_id }) };
        const place = path.replace('{id}', conversation_id);
        t.equal((await server.request(method.toUpperCase(), place, { token, body })).status, 200, path);
        run++;
      }
  const a = await connectSynced(t, server, alice);
  for (const { type, ...example } of frames.body.channels.extended.messages.client_chat.payload.examples) {
    a.send(type, { ...example, conversation_id });
    await a.until(() => a.of('sent').some(({ id }) => id === example.id), `${example.id} isn't stored`);
    run++;
  }
  t.equal(run, 9);
});

t.test('what SECURITY.md adds up for 1,000 connections is what the bounds are', async (t) => {
  const text = await readFile(new URL('../SECURITY.md', import.meta.url), 'utf8');
  const table = /<!-- memory -->([\s\S]*)<!-- \/memory -->/.exec(text)?.[1] ?? '';
  const rows = [...table.matchAll(/^\| `(\w+)`.*\| (\d+) \| (\d+) \| (\d+) \|$/gm)];
  const bounds = new Map<string, number>(Object.entries(LIMITS));
  for (const [, name = '', bytes, times, mebibytes] of rows) {
    t.equal(Number(bytes), bounds.get(name), name);
    t.equal(Number(mebibytes), Math.round((Number(bytes) * Number(times)) / 1_048_576), name);
  }
  t.equal(rows.length, 7);
});
