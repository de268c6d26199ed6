import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';

/** Stops the server, writes into its database what would take hours to send, and starts it again. */
export async function write(server, sql) {
  await server.stop();
  const database = await PGlite.create({ dataDir: join(server.folder, 'data/db') });
  await database.exec(sql);
  await database.close();
  await server.start();
}
