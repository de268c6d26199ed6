/**
 * Removals from groups, against what those who are removed say and are given, on two instances.
 *   REMOVALS=10000 SEED=7 node test/all.mjs test/real/removals.test.ts
 */
import t, { type Test } from 'tap';
import { type Random, random } from '../fault/random.js';
import { build, type Client, connectSynced, type Server, signUp, type User } from '../helper.js';
import { membersBeforeLock } from './before-lock.js';

const removals = Number(process.env.REMOVALS ?? 200);
const seed = Number(process.env.SEED ?? 1);
/** Groups, each with its own people, at the same time. */
const GROUPS = 8;
/** Messages of one sender in one burst, at most. */
const BURST = 3;

t.setTimeout(120_000 + removals * 200);

type Pair = readonly [Server, Server];

interface Circle {
  pair: Pair;
  id: number;
  history: 'all' | 'joining';
  owner: User;
  victim: User;
  /** The devices of the one who is removed again and again, one at each instance, and of one who stays. */
  devices: readonly Client[];
  /** What each of these was given in the rounds before. */
  heard: readonly Client['frames'][];
  talker: Client;
  chance: Random;
}

async function makeCircle(t: Test, pair: Pair, index: number): Promise<Circle> {
  const [one, two] = pair;
  const [owner, victim, other] = [await signUp(one), await signUp(one), await signUp(one)];
  const history = index % 2 === 0 ? 'all' : 'joining';
  const body = { title: `Group ${index}`, history, user_ids: [victim.user_id, other.user_id] };
  const made = await one.request('POST', '/api/conversations', { token: owner.token, body });
  const devices = [await connectSynced(t, one, victim), await connectSynced(t, two, victim)];
  const talker = await connectSynced(t, index % 3 === 0 ? two : one, other);
  const { conversation_id: id } = made.body.data;
  return {
    pair,
    id,
    history,
    owner,
    victim,
    devices,
    heard: devices.map(() => []),
    talker,
    chance: random(seed).fork(`group ${index}`),
  };
}

/** Of these frames those that tell of something in the group. */
const places = ({ id }: Circle, frames: Client['frames']) =>
  frames.filter(
    ({ type, conversation_id }) => conversation_id === id && /^(chat|event|joined|reset)$/.test(type),
  );

/** Waits until what was done to the one is there, in this round. @returns its place */
async function done(circle: Circle, client: Client, action: string): Promise<number> {
  const found = () =>
    places(circle, client.frames).find(
      ({ event }) => event?.action === action && event.user_ids?.[0] === circle.victim.user_id,
    );
  await client.until(() => found() !== undefined, `${action} didn't come`);
  return found().seq;
}

/** Says something. @returns waits for what became of it: its place, or the error */
function say({ id }: Circle, client: Client, own: string): () => Promise<number | string> {
  client.send('chat', { id: own, conversation_id: id, content: own });
  const found = () => client.frames.find((frame) => frame.id === own && /^(sent|error)$/.test(frame.type));
  return async () => {
    await client.until(() => found() !== undefined, `${own} isn't answered`);
    const { type, seq, code } = found();
    return type === 'sent' ? seq : code;
  };
}

/** One removal in the middle of what is said, and the way back. */
async function round(circle: Circle, nth: number): Promise<string[]> {
  const { pair, id, owner, victim, devices, talker, chance } = circle;
  const [first, second] = devices;
  if (!first || !second) throw new Error('no devices');
  const { token } = owner;
  const path = `/api/conversations/${id}/members`;
  const wrong: string[] = [];
  const burst = (client: Client, name: string) =>
    Array.from({ length: chance.int(0, BURST) }, (_, i) => say(circle, client, `${nth}.${name}.${i}`));
  const everybody = (name: string) => [
    ...burst(first, `first-${name}`),
    ...burst(second, `second-${name}`),
    ...burst(talker, `talker-${name}`),
  ];
  const before = everybody('before');
  const removal = chance.pick(pair).request('DELETE', `${path}/${victim.user_id}`, { token });
  const during = everybody('during');
  const { status } = await removal;
  if (status !== 200) wrong.push(`removed: ${status}`);
  const late = devices.map((device, i) => say(circle, device, `${nth}.late.${i}`));
  const unheard = await say(circle, talker, `${nth}.unheard`)();
  for (const answer of late)
    if ((await answer()) !== 'conversation_not_found') wrong.push(`said after it: ${await answer()}`);
  for (const answer of [...before, ...during]) await answer();
  let left = 0;
  for (const device of devices) {
    left = await done(circle, device, 'removed');
    await device.barrier();
    const past = places(circle, device.frames).filter(({ seq }) => seq > left);
    if (past.length > 0) wrong.push(`given after ${left}: ${JSON.stringify(past[0])}`);
    device.send('ack', { conversation_id: id, seq: left });
  }
  if (!(Number(unheard) > left)) wrong.push(`said at ${unheard}, after a removal at ${left} was answered`);
  talker.send('ack', { conversation_id: id, seq: left });
  const added = await chance
    .pick(pair)
    .request('POST', path, { token, body: { user_ids: [victim.user_id] } });
  if (added.status !== 200) wrong.push(`added: ${added.status}`);
  for (const [i, device] of devices.entries()) {
    const back = await done(circle, device, 'added');
    device.send('ack', { conversation_id: id, seq: back });
    circle.heard[i]?.push(...device.frames.splice(0));
  }
  talker.frames.length = 0;
  return wrong.map((what) => `removal ${nth} in ${id}: ${what}`);
}

/** What the log has, and what was given, against each other. */
async function review(circle: Circle): Promise<string[]> {
  const { id, history, victim, devices } = circle;
  const [one] = circle.pair;
  const wrong: string[] = [];
  const rows = await one.app.db.sql<
    { seq: number; user: number; action: string | null; whom: string | null }[]
  >`
    select seq, from_user_id as user, extra ->> 'action' as action, extra ->> 'user_ids' as whom
    from messages where conversation_id = ${id} order by seq`;
  const theirs: number[] = [];
  let out = false;
  for (const [i, { seq, user, action, whom }] of rows.entries()) {
    if (seq !== i + 1) wrong.push(`${seq} comes after ${i}`);
    const isMove = whom === `[${victim.user_id}]`;
    if (isMove && action === 'added') out = false;
    if (out && user === victim.user_id) wrong.push(`${seq} was said by somebody who was out`);
    if (!out || history === 'all') theirs.push(seq);
    if (isMove && action === 'removed') out = true;
  }
  for (const [i, device] of devices.entries()) {
    const frames = [...(circle.heard[i] ?? []), ...device.frames];
    const own = frames.flatMap(({ type, seq }) => (type === 'sent' ? [seq] : []));
    const given = places(circle, frames).filter(({ type }) => type === 'chat' || type === 'event');
    const seqs = given.map(({ seq }) => seq);
    if (seqs.some((seq, i) => i > 0 && seq <= seqs[i - 1]))
      wrong.push('something is given twice, or out of order');
    const got = new Set([...seqs, ...own]);
    const begin = seqs[0];
    const due = theirs.filter((seq) => seq >= begin);
    const may = new Set(theirs);
    const [lacks, has] = [due.filter((seq) => !got.has(seq)), [...got].filter((seq) => !may.has(seq))];
    if (lacks.length > 0) wrong.push(`lacks ${lacks}`);
    if (has.length > 0) wrong.push(`has ${has}, which isn't theirs`);
  }
  return wrong.map((what) => `${id} (${history}): ${what}`);
}

/** @returns what went wrong at each removal, and what is wrong in the end */
async function race(t: Test, pair: Pair, count: number): Promise<{ told: string[]; stored: string[] }> {
  const circles = await Promise.all(Array.from({ length: GROUPS }, (_, index) => makeCircle(t, pair, index)));
  const told = await Promise.all(
    circles.map(async (circle) => {
      const found: string[] = [];
      for (let nth = 0; nth < count / GROUPS; nth++) found.push(...(await round(circle, nth)));
      return found;
    }),
  );
  for (const { app } of pair) await app.hub.repair();
  for (const { devices } of circles) for (const device of devices) await device.barrier();
  return { told: told.flat(), stored: (await Promise.all(circles.map(review))).flat() };
}

async function makePair(t: Test): Promise<Pair> {
  const one = await build(t, { INSTANCE_ID: 'one' });
  return [one, await build(t, { INSTANCE_ID: 'two' }, one)];
}

t.test(`[G8] ${removals} removals (seed ${seed}): nothing is said by or given to who is out`, async (t) => {
  t.strictSame(await race(t, await makePair(t), removals), { told: [], stored: [] });
});

t.test('where members are read before the lock, that is found', async (t) => {
  const pair = await makePair(t);
  await pair[0].app.db.sql.unsafe(await membersBeforeLock());
  const { told, stored } = await race(t, pair, 40);
  t.ok(stored.some((what) => /was said by somebody who was out/.test(what)));
  t.comment([...told, ...stored].slice(0, 5).join('\n'));
});
