/** `npm run siege`: floods at the doors, one kind after the other, and what others feel of them. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { random } from '../fault/random.js';
import { makeAccounts } from './accounts.js';
import { type AttackName, attack, attackNames, type Target } from './attacks.js';
import { Pair } from './pair.js';
import { startWatched } from './server.js';
import { besiege, head, ownDevice, row, type Siege, siegeFaults } from './siege.js';
import { makeStack } from './stack.js';

const PASSWORD = 'the right one';
/** Of that, with the cost that the server has. */
const HASH = '$2b$10$Hxh4OXIMca6Kt4ZZxP1RAegK65sFm0rSe1UBaqZwHdfUWtYJMwAvq';
/** Users with that password, and users of whom the attacker has a token. */
const NAMES = 1000;
const HELD = 100;

/** What the process of the attackers is told: they have one of their own, so that their noise isn't measured. */
interface Order {
  name: AttackName;
  target: Target;
  seed: number;
  bound: { count: number; ms?: number };
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      count: { type: 'string', default: '100000' },
      addresses: { type: 'string', default: '1000' },
      stack: { type: 'string', default: 'embedded' },
      only: { type: 'string', default: '' },
      together: { type: 'string', default: '10' },
    },
  });
  const numbers = [values.seed, values.count, values.addresses, values.together].map(Number);
  const [seed, count, addresses, minutes] = numbers;
  if (seed === undefined || !count || !addresses || minutes === undefined || numbers.some(Number.isNaN))
    throw new Error('--seed, --count, --addresses and --together (minutes) are numbers');
  console.log(`seed ${seed}, ${count} of each from ${addresses} addresses, ${values.stack}`);
  const { env: stack, remove } = await makeStack(values.stack);
  const sieges: Siege[] = [];
  try {
    const path = resolve('dist/server.js');
    const env = {
      ...stack,
      JWT_SECRET: 'a secret for hostile peers, long enough',
      LOG_LEVEL: 'error',
      TRUSTED_PROXIES: '127.0.0.1',
    };
    const [plain, extended, known, ...others] = await makeAccounts(path, env, HELD + 2 * NAMES + 3, HASH);
    if (!plain || !extended || !known) throw new Error('there are too few users');
    const server = await startWatched(path, env);
    const cookie = await ownDevice(server.port, known.username, PASSWORD);
    const pair = await Pair.open(server.port, plain, extended);
    pair.talk();
    try {
      const nameOf = ({ username }: { username: string }) => username;
      const target: Target = {
        port: server.port,
        addresses,
        accounts: others.slice(0, HELD),
        names: [known, ...others.slice(HELD, HELD + NAMES)].map(nameOf),
        cookieName: cookie.split('=')[0] ?? '',
      };
      const fresh = others.slice(HELD + NAMES).map(nameOf);
      const scene = {
        server,
        pair,
        password: PASSWORD,
        known: { name: known.username, cookie },
        fresh,
        quietMs: 10_000,
        calmMs: 30_000,
      };
      const act = async (name: AttackName, bound: Order['bound']): Promise<Record<string, number>> => {
        const child = fork(fileURLToPath(import.meta.url), ['attack'], {
          execArgv: ['--enable-source-maps'],
        });
        const order: Order = { name, target, seed, bound };
        child.send(order);
        const died = server.ended.then((how): never => {
          child.kill();
          throw new Error(`the server ended with ${how}`);
        });
        const [met] = await Promise.race([once(child, 'message'), died]);
        await once(child, 'exit');
        return met;
      };
      const look = async (name: Siege['attack'], what: () => Promise<Record<string, number>>) => {
        const siege = await besiege(name, scene, what);
        sieges.push(siege);
        console.log(row(siege));
      };
      console.log(head());
      for (const name of attackNames(values.only)) {
        // What is loaded, compiled and cached at first is there before it is measured.
        await act(name, { count: Math.ceil(count / 20) });
        await look(name, () => act(name, { count }));
      }
      if ('all together'.includes(values.only) && minutes > 0)
        await look('all together', async () => {
          const bound = { count: Number.MAX_SAFE_INTEGER, ms: minutes * 60_000 };
          const all = await Promise.all(attackNames().map((name) => act(name, bound)));
          return Object.fromEntries(attackNames().map((name, i) => [name, sum(all[i] ?? {})]));
        });
      const { sent, lost, doubled, outOfOrder, troubles } = await pair.stop();
      console.log(
        `\nthe pair: ${sent} messages, ${lost} lost, ${doubled} doubled, ${outOfOrder} out of order`,
      );
      const found = sieges.flatMap(siegeFaults);
      const wrong = [...found, ...troubles];
      for (const text of wrong) console.log(`- ${text}`);
      return server.over() === undefined && wrong.length === 0 && lost + doubled + outOfOrder === 0;
    } finally {
      const died = server.over();
      if (died !== undefined)
        console.log(`the server ended with ${died}:\n${server.output().slice(-10_000)}`);
      pair.close();
      await server.kill();
    }
  } finally {
    await remove();
  }
}

if (process.send) {
  // Nobody attacks any longer than the siege goes on.
  process.once('disconnect', () => process.exit());
  process.once('message', ({ name, target, seed, bound }: Order) => {
    void attack(name, target, random(seed), bound).then((met) => process.send?.(met, () => process.exit()));
  });
} else process.exit((await main()) ? 0 : 1);
