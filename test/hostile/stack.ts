import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../nodes/postgres.js';
import { startRedis } from '../nodes/redis.js';

/** A fresh database and bus. */
export async function makeStack(name: string | undefined) {
  const undo: (() => Promise<unknown>)[] = [];
  const remove = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  if (name === 'embedded') {
    const folder = await mkdtemp(join(tmpdir(), 'hostile-'));
    undo.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    return { env: { DATA_DIR: join(folder, 'data') }, remove };
  }
  if (name !== 'real') throw new Error(`--stack is embedded or real, not ${name}`);
  try {
    const postgres = await startPostgres();
    undo.push(postgres.stop);
    const redis = await startRedis();
    undo.push(redis.stop);
    return { env: { DB_URL: await postgres.createDatabase('chat'), REDIS_ADDR: redis.addr }, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
