/** `npm run hostile`: many who don't behave for as long as one likes beside two who do, and what came of it. */
import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeAccounts } from './accounts.js';
import { guests } from './guest.js';
import { Pair } from './pair.js';
import { type Crowd, combinations, crowd, turns } from './peers.js';
import { faults, report } from './report.js';
import { type Holding, startWatched } from './server.js';
import { makeStack } from './stack.js';
import type { Visit } from './visit.js';

/** Milliseconds before the first look: the pair talks, newcomers come, what is loaded at first use is loaded. */
const WARM_MS = 20_000;
/** Milliseconds from the last connection's end to the last look. */
const CALM_MS = 60_000;
/** Bytes at which a run is ended: the machine belongs to others too. */
const TOO_MUCH = 4_000_000_000;

/** What the process with the hostile connections is told. */
interface Order extends Crowd {
  ms: number;
  only: string;
}

/** The hostile connections have a process of their own: their noise is not to be measured as the server's. */
function misbehave({ ms, only, ...options }: Order): void {
  const end = performance.now() + ms;
  const turn = turns(options.seed, combinations(only));
  const tell = (visit: Visit) => process.send?.(visit);
  void crowd(options, () => (performance.now() < end ? turn() : undefined), tell).then(() => process.exit());
}

const text = (value: string) => ({ type: 'string', default: value }) as const;

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seed: text(String(Date.now() % 1_000_000)),
      minutes: text('10'),
      connections: text('200'),
      stack: text('embedded'),
      only: text(''),
      server: text('dist/server.js'),
    },
  });
  const number = (key: 'seed' | 'minutes' | 'connections') => {
    const value = Number(values[key]);
    if (!Number.isFinite(value) || value < 0)
      throw new Error(`--${key} must be a number, not ${values[key]}`);
    return value;
  };
  const [seed, ms, connections] = [number('seed'), number('minutes') * 60_000, number('connections')];
  if (combinations(values.only).length === 0) throw new Error(`nothing is called ${values.only}`);
  console.log(`seed ${seed}, ${connections} connections, ${values.minutes} minutes, ${values.stack}`);

  const { env: stack, remove } = await makeStack(values.stack);
  try {
    const path = resolve(values.server);
    const env = {
      ...stack,
      JWT_SECRET: 'a secret for hostile peers, long enough',
      LOG_LEVEL: 'error',
      LIMITS: 'off',
    };
    const [plain, extended, guest, ...hostile] = await makeAccounts(path, env, connections + 3);
    if (!plain || !extended || !guest) throw new Error('there are too few users');
    const server = await startWatched(path, env);
    const pair = await Pair.open(server.port, plain, extended);
    pair.talk();
    let callers = guests(server.port, guest);
    const visits: Visit[] = [];
    const order: Order = {
      port: server.port,
      // The defaults of the settings.
      deadlines: { heartbeat: 25, silence: 60, slow: 30 },
      patienceMs: 135_000,
      seed,
      connections,
      accounts: hostile,
      arrivalMs: 5000,
      ms,
      only: values.only,
    };
    const child = fork(fileURLToPath(import.meta.url), ['hostile'], { execArgv: ['--enable-source-maps'] });
    child.on('message', (visit: Visit) => visits.push(visit));
    try {
      await sleep(WARM_MS);
      // Whoever comes just now would be counted.
      await callers.stop();
      const before = await server.holds(true);
      pair.forget();
      callers = guests(server.port, guest);
      child.send(order);
      const during = { ...before };
      const end = performance.now() + ms;
      let told = performance.now();
      while (performance.now() < end && server.over() === undefined) {
        await sleep(1000);
        const now: Holding = await server.holds(false).catch(() => during);
        for (const key of ['resident', 'used', 'descriptors'] as const)
          during[key] = Math.max(during[key], now[key]);
        if (now.resident > TOO_MUCH) {
          console.log('ended early: the server holds too much');
          break;
        }
        if (performance.now() - told < 30_000) continue;
        told = performance.now();
        console.log(
          `${visits.length} visits; ${Math.round(now.resident / 1e6)} MB, ${now.descriptors} descriptors; ${Math.round((end - told) / 1000)} s left`,
        );
      }
      child.kill('SIGKILL');
      const met = await callers.stop();
      const talk = await pair.stop();
      if (server.over() === undefined) await sleep(CALM_MS);
      const over = server.over();
      const after = over === undefined ? await server.holds(true) : undefined;
      const died = over === undefined ? undefined : `${over}\n${server.output().slice(-3000)}`;
      const result = {
        died,
        before,
        during,
        after,
        talk,
        guests: met,
        visits,
      };
      console.log(`\nseed ${seed}\n${report(result)}`);
      const log = server.output().split('\n').slice(1).join('\n').trim();
      if (log !== '') console.log(`\nThe server said:\n${log.slice(-3000)}`);
      return faults(result).length === 0;
    } finally {
      child.kill('SIGKILL');
      await callers.stop();
      pair.close();
      await server.kill();
    }
  } finally {
    await remove();
  }
}

if (process.send) process.once('message', misbehave);
else process.exit((await main()) ? 0 : 1);
