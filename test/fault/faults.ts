/** What each kind of fault does to the world. */
import { type Act, absent, moving, postgresAway, type Result, replica, type Stage } from './act.js';
import { behind } from './behind.js';
import type { Client } from './client.js';
import { now, sleep } from './clock.js';
import type { Fault } from './diary.js';
import type { Line } from './proxy.js';
import { random } from './random.js';
import type { Replica } from './replica.js';
import type { Kind, Step } from './schedule.js';

/** What stood still has to catch up. */
const waking = 500;
/** How often a replica that does not start is tried again. */
const patience = 5;

/** A server whose database or Redis is away waits for them; one that leaves instead is started again, as a supervisor would. */
async function revive({ troubles }: Act, fallen: Replica): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fallen.start();
    } catch (error) {
      // One that finds its database refusing says so and leaves: it is started again, as a supervisor would.
      if (attempt < patience) continue;
      troubles.push(`replica ${fallen.name} did not start: ${String(error).slice(-500)}`);
      throw error;
    }
  }
}

/** Does something to the lines of some clients; `away` of them for as long as it lasts. */
async function onLines(
  act: Act,
  clients: Client[],
  still: boolean,
  doIt: (line: Line) => void,
): Promise<Result> {
  const ports = new Set(clients.map(({ port }) => port));
  const lines = act.world.proxies.flatMap((proxy) => proxy.lines()).filter(({ port }) => ports.has(port));
  for (const line of lines) {
    const { at, lasts } = { at: now(), lasts: act.step.lasts + waking };
    if (still) act.away.push({ what: 'line', name: String(line.port), from: at, to: at + lasts });
    doIt(line);
  }
  await sleep(act.step.lasts);
  act.did(`${lines.length} lines`);
  return clients;
}

const acts: { [kind in Kind]: (act: Act) => Promise<Result> } = {
  ...behind,
  async kill(act) {
    const victim = replica(act);
    const { name } = victim;
    act.did(name);
    // A busy machine takes a second to close what a killed process had open.
    await absent(act, { what: 'replica', name, grace: 0 }, () => victim.kill());
    await sleep(act.step.lasts);
    await revive(act, victim);
    return undefined;
  },
  async roll(act) {
    for (const each of act.chance.shuffle(act.world.replicas)) {
      await each.end();
      await sleep(act.step.lasts);
      await revive(act, each);
    }
    return undefined;
  },
  async stop(act) {
    const { name, stop, goOn } = replica(act);
    act.did(name);
    await absent(act, { what: 'replica', name, grace: waking }, async () => {
      await stop();
      await sleep(act.step.lasts);
      await goOn();
    });
    return undefined;
  },
  async 'redis-restart'({ world, step }) {
    await world.redis.kill9();
    await sleep(step.lasts);
    await world.redis.restart();
    return undefined;
  },
  async 'redis-pause'({ world, step }) {
    await world.redis.pause();
    await sleep(step.lasts);
    await world.redis.resume();
    return undefined;
  },
  async 'redis-wipe'(act) {
    const restarted = act.world.redis.restart();
    await moving(act);
    await restarted;
    return undefined;
  },
  async 'postgres-restart'(act) {
    await absent(act, postgresAway, () => act.world.postgres.restart('immediate'));
    return undefined;
  },
  async 'postgres-pause'(act) {
    await absent(act, postgresAway, async () => {
      await act.world.postgres.pause();
      await sleep(act.step.lasts);
      await act.world.postgres.resume();
    });
    return undefined;
  },
  cut: (act) =>
    onLines(act, act.crowd.some(act.chance.pick([0.1, 0.3, 1]), act.chance), false, (line) => line.cut()),
  vanish: (act) =>
    onLines(act, act.crowd.some(0.2, act.chance), false, (line) => line.vanish(act.step.lasts)),
  stall: (act) => onLines(act, act.crowd.some(0.2, act.chance), true, (line) => line.stall(act.step.lasts)),
  crawl: (act) =>
    onLines(act, act.crowd.some(0.2, act.chance), true, (line) =>
      line.crawl(act.step.lasts, act.chance.int(50, 300)),
    ),
  async hang(act) {
    const clients = act.crowd.some(0.04, act.chance);
    for (const client of clients) {
      client.hang(act.step.lasts);
      act.crowd.burst(client.user, act.chance.int(100, 600));
    }
    return onLines(act, clients, true, () => {});
  },
  async leave({ crowd, step, chance }) {
    const clients = crowd.some(0.1, chance);
    for (const client of clients) client.stop();
    // One of them comes back to a heap.
    const [first] = clients;
    if (first && chance.chance(0.5)) crowd.burst(first.user, chance.int(200, 1500));
    await sleep(step.lasts);
    for (const client of clients) client.start();
    return clients;
  },
  async handshake(act) {
    const { world, chance, step } = act;
    let broken = 0;
    const callOff = world.proxies.flatMap((proxy) =>
      Array.from({ length: 6 }, () => {
        // Before the server hears of it, or in the middle of what it answers.
        const bytes = chance.pick([0, chance.int(1, 120), 250]);
        return proxy.onNext((line) => {
          broken++;
          if (bytes === 0) line.cut();
          else line.cutAfter(bytes);
        }, 'GET /ws');
      }),
    );
    await moving(act);
    for (const undo of callOff) undo();
    act.did(`${broken} in ${step.lasts} ms`);
    return undefined;
  },
  async hop({ crowd, chance }) {
    const clients = crowd.some(0.3, chance);
    for (const client of clients) client.hop();
    return clients;
  },
};

/** Does one fault and notes when it was and whom it touched. @param did hears what was chosen by chance */
export async function commit(stage: Stage, step: Step, did: (what: string) => void): Promise<void> {
  const fault: Fault = { kind: step.kind, from: now(), to: Number.POSITIVE_INFINITY };
  stage.faults.push(fault);
  const touched = await acts[step.kind]({ ...stage, step, chance: random(step.seed), did });
  fault.to = now();
  if (touched) fault.users = touched.map(({ user }) => user);
}
