import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { buildApp } from '../app.js';
import { loadConfig } from '../plugins/config.js';
import { SECRET } from './helper.js';

t.test('[X3] an embedded database has one epoch over restarts, and another once it is a copy', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chat-epoch-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const epochIn = async (name: string) => {
    const app = await buildApp(
      loadConfig({ DATA_DIR: join(folder, name), LOG_LEVEL: 'fatal', JWT_SECRET: SECRET }),
    );
    const { epoch } = app.db;
    await app.close();
    return epoch;
  };
  const first = await epochIn('data');
  t.equal(await epochIn('data'), first);
  await cp(join(folder, 'data'), join(folder, 'copy'), { recursive: true });
  const copied = await epochIn('copy');
  t.not(copied, first);
  t.equal(await epochIn('copy'), copied);
  t.equal(await epochIn('data'), first);
});
