/**
 * The traffic as a program of its own, for a network that the tests are not in; until its input ends:
 *   node test/start.mjs test/deploy/load.ts '{"port":80,"rate":40}'
 * Says `talking` when all talk, and at the end what came of it, as a line of JSON.
 */
import { once } from 'node:events';
import { startTraffic } from './traffic.js';

const { port, ...options }: { port: number } = JSON.parse(process.argv[2] ?? '{}');
const stop = await startTraffic(port, options);
console.log('talking');
process.stdin.resume();
await once(process.stdin, 'end');
console.log(JSON.stringify(await stop()));
process.exit(0);
