/** Eight devices, on and off at random, that write, edit, delete and react: at the end each holds what the history says. */
import { isDeepStrictEqual as same } from 'node:util';
import t from 'tap';
import { Device, shown } from './changes-device.js';
import { build, eventually, signUp, type User } from './helper.js';

const SEED = Number(process.env.SEED ?? 19);
const STEPS = Number(process.env.CHANGES ?? 800);
const EMOJIS = ['👍', '❤️', '😂', '🎉'];

/** The same numbers for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const one = await build(t, { INSTANCE_ID: 'one', REPAIR_SECONDS: '1' });
const two = await build(t, { INSTANCE_ID: 'two', REPAIR_SECONDS: '1' }, one);
const servers = [one, two];

t.test(
  `[E17] at the end every device holds what the history says (SEED=${SEED}, CHANGES=${STEPS})`,
  async (t) => {
    const next = random(SEED);
    const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)] as T;
    const users = await Promise.all([0, 1, 2, 3].map(() => signUp(one)));
    const [owner] = users as [User, ...User[]];
    const made = await one.request('POST', '/api/conversations', {
      token: owner.token,
      body: { title: 'crew', user_ids: users.slice(1).map(({ user_id }) => user_id) },
    });
    const id: number = made.body.data.conversation_id;
    const devices = users.flatMap((user, i) =>
      ['a', 'b'].map((name) => new Device(t, user, id, `${i}${name}`)),
    );
    for (const device of devices) await device.goOn(pick(servers));
    const end = () => Math.max(...devices.map((device) => device.end));
    for (let step = 0; step < STEPS; step++) {
      const device = pick(devices);
      const seq = Math.max(1, end() - Math.floor(next() * 20));
      const held = device.held.get(seq);
      const what = next();
      if (device.client === undefined) {
        if (what < 0.3) await device.goOn(pick(servers));
      } else if (what < 0.03) device.goOff();
      else if (what < 0.25) device.send('chat', { content: `text ${step}` });
      else if (held === undefined || held.msg_id < 1) device.send('chat', { content: `text ${step}` });
      else if (what < 0.5 && held.from_user_id === device.user.user_id && held.content !== '')
        device.send('edit', { seq, content: `edit ${step}`, base: held.change ?? 0 });
      else if (what < 0.55 && held.from_user_id === device.user.user_id && held.content !== '')
        device.send('delete', { seq });
      else device.send('react', { seq, emoji: pick(EMOJIS), on: next() < 0.7 });
      if (next() < 0.3) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const device of devices) if (device.client === undefined) await device.goOn(pick(servers));
    await Promise.all(devices.map((device) => device.client?.barrier()));
    const history = async () => {
      const messages = [];
      for (let after = 0, more = true; more; ) {
        const { token } = owner;
        const { body } = await one.request(
          'GET',
          `/api/conversations/${id}/messages?limit=200&after=${after}`,
          { token },
        );
        messages.push(...body.data.messages);
        after = messages.at(-1)?.seq ?? 0;
        more = body.data.has_more;
      }
      return messages.map((message) => shown(message));
    };
    let stored = await history();
    const lacking = (device: Device) => {
      const says = new Map(stored.map((message) => [message.seq, message]));
      return [...device.held.values()].filter(
        (message) => says.get(message.seq)?.change !== message.change && !('event' in message),
      );
    };
    await eventually(async () => {
      stored = await history();
      return devices.every((device) => device.end === stored.length && lacking(device).length === 0);
    }, 'somebody lacks something').catch(() => {});
    const say = stored.filter((message) => !('event' in message));
    t.ok(say.filter(({ change }) => change !== undefined).length > STEPS / 20, 'many have changed');
    t.ok(say.some(({ deleted }) => deleted) && say.some(({ edited_at }) => edited_at !== undefined));
    for (const device of devices) {
      const held = [...device.held.values()]
        .filter((message) => !('event' in message))
        .sort((x, y) => x.seq - y.seq);
      t.strictSame(held.filter((message, i) => !same(message, say[i])).slice(0, 3), [], device.name);
      t.equal(held.length, say.length);
      t.strictSame(device.faults, [], device.name);
    }
  },
);
