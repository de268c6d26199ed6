/** What is deleted or edited away is in no dump of the database, whichever way it went. */
import { join } from 'node:path';
import t from 'tap';
import { build, connectSynced, eventually, signUp, type User } from '../helper.js';
import { findPostgres, present } from '../nodes/find.js';
import { execute } from '../nodes/process.js';

const server = await build(t);

async function ask(user: User, method: string, path: string, body?: object) {
  const answer = await server.request(method, `/api/${path}`, { token: user.token, ...(body && { body }) });
  if (answer.status > 299) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body.data;
}

/** Which of these words are in a dump, as text in whatever case or as the bytes of a binary column. */
async function dumped(words: readonly string[]): Promise<string[]> {
  const command = join(present(findPostgres(), 'PostgreSQL'), 'pg_dump');
  const { stdout } = await execute(command, ['-d', server.env.DB_URL ?? ''], { maxBuffer: 2 ** 28 });
  const dump = stdout.toLowerCase();
  return words.filter((word) => dump.includes(word) || dump.includes(Buffer.from(word).toString('hex')));
}

t.test('a dump has what is said now, and nothing that was deleted or edited away', async (t) => {
  // The first is an admin.
  const [owner, member, leaver] = [await signUp(server), await signUp(server), await signUp(server)];
  const people = [member.user_id, leaver.user_id];
  const { conversation_id: id } = await ask(owner, 'POST', 'conversations', {
    title: 'crew',
    user_ids: people,
  });

  /** Says something, changes it, and hangs on it whatever can hang on a message. */
  const say = async (from: User, name: string, to: object = { conversation_id: id }) => {
    const reply = 'conversation_id' in to && { reply_to: 1, mentions: [owner.user_id, member.user_id] };
    const sent = await ask(from, 'POST', 'messages', { ...to, content: `${name}first`, ...reply });
    const place = `conversations/${sent.conversation_id}/messages/${sent.seq}`;
    for (const text of ['second', 'third'])
      await ask(from, 'PATCH', place, { content: `${name}${text}`, mentions: [owner.user_id] });
    await ask(owner, 'PUT', `${place}/reactions/${encodeURIComponent('👍')}`);
    await ask(owner, 'PUT', `conversations/${sent.conversation_id}/pins/${sent.seq}`);
    await ask(owner, 'PUT', `saved/${sent.conversation_id}/${sent.seq}`);
    const { conversation_id, seq } = sent;
    await ask(owner, 'POST', 'messages', { conversation_id, content: `answer to ${seq}`, reply_to: seq });
    return { place, seq };
  };
  const names = ['framecanary', 'httpcanary', 'groupcanary', 'paircanary', 'staycanary'];
  const byFrame = await say(member, 'framecanary');
  const byHttp = await say(member, 'httpcanary');
  await say(leaver, 'groupcanary');
  await say(leaver, 'paircanary', { to_user_id: owner.user_id });
  await say(member, 'staycanary');
  const said = (text: string) => names.map((name) => `${name}${text}`);
  const all = ['first', 'second', 'third'].flatMap(said);
  const indexed = async () => (await ask(owner, 'GET', 'search?query=canarythird')).messages.length;
  await eventually(async () => (await indexed()) === names.length, 'it is not indexed');
  t.strictSame(await dumped(all), said('third'), 'what was edited away is gone already');

  const client = await connectSynced(t, server, member);
  client.send('delete', { id: 'gone', conversation_id: id, seq: byFrame.seq });
  await client.until(() => client.of('changed').some((frame) => frame.id === 'gone'), 'no answer');
  await ask(owner, 'DELETE', byHttp.place);
  await ask(owner, 'DELETE', `admin/users/${leaver.user_id}?messages=true`);
  t.strictSame(await dumped(all), ['staycanarythird']);
});
