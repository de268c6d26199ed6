/** Eight devices, on and off at random, that write, edit, delete and react: at the end each holds what the history says. */
import t from 'tap';
import { Crowd } from './changes-crowd.js';
import { Device } from './changes-device.js';
import { build, eventually, signUp } from './helper.js';

const SEED = Number(process.env.SEED ?? 19);
const CHANGES = Number(process.env.CHANGES ?? 500);

t.setTimeout(60_000 + CHANGES * 200);
const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);

t.test(
  `[E17] at the end every device holds what the history says (SEED=${SEED}, CHANGES=${CHANGES})`,
  async (t) => {
    const crowd = await Crowd.make(t, SEED, [one, two]);
    await crowd.act(CHANGES);
    const stored = await crowd.converge(t);
    const changed = stored.filter(({ change }) => change !== undefined).length;
    t.ok(changed > CHANGES / 20, `${changed} of ${stored.length} have changed`);
    t.ok(stored.some(({ deleted }) => deleted) && stored.some(({ edited_at }) => edited_at !== undefined));
  },
);

t.test('[E6] what was held past the change position of another history is told again, or read', async (t) => {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const { token } = alice;
  const say = (content: string) =>
    one.request('POST', '/api/messages', { token, body: { to_user_id: bob.user_id, content } });
  const id: number = (await say('first')).body.data.conversation_id;
  for (const content of ['second', 'third']) await say(content);
  const edit = (seq: number, content: string) =>
    one.request('PATCH', `/api/conversations/${id}/messages/${seq}`, { token, body: { content } });
  await edit(1, 'first, edited');
  const device = new Device(t, bob, id, 'bob');
  await device.goOn(one);
  await eventually(() => device.isSynced && device.held.size === 3, 'it lacks something');
  device.goOff();
  // As answers to what it asked for left them, before the database was put back.
  device.expectRestore();
  for (const seq of [1, 2]) {
    const held = device.held.get(seq);
    if (held !== undefined) device.held.set(seq, { ...held, change: 7, content: 'lost' });
  }
  await edit(2, 'second, edited');
  await device.goOn(two);
  await eventually(() => device.isSynced && device.isWhole, 'something is unproven');
  const contents = [...device.held.values()].map(({ content, change }) => [content, change]);
  t.strictSame(contents, [
    ['first, edited', 1],
    ['second, edited', 2],
    ['third', undefined],
  ]);
  t.strictSame([device.faults, device.resets], [[], 0]);
});
