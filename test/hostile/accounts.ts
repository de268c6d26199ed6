/** Users with tokens, made without hashing a password each. */
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Account } from './peer.js';

/**
 * Makes users in the database that the settings name, with the built server's own code; nobody else may have it open.
 * @param server path of `server.js`
 * @param hash of the password of all of them; without it nobody can sign in
 */
export async function makeAccounts(
  server: string,
  env: Record<string, string>,
  count: number,
  hash = 'not a hash: this user has a token only',
): Promise<(Account & { username: string })[]> {
  const built = (file: string) => import(pathToFileURL(join(dirname(server), file)).href);
  const { buildApp }: typeof import('../../app.js') = await built('app.js');
  const { loadConfig }: typeof import('../../plugins/config.js') = await built('plugins/config.js');
  const { addUser }: typeof import('../../sql/users.js') = await built('sql/users.js');
  const app = await buildApp(loadConfig(env));
  try {
    const accounts: (Account & { username: string })[] = [];
    for (let i = 1; i <= count; i++) {
      const username = `hostile-${i}`;
      const user_id = await addUser(app.db.sql, username, hash);
      if (user_id === undefined) throw new Error(`${username} is taken`);
      accounts.push({ user_id, username, token: app.tokens.sign({ user_id, username }, undefined, 86_400) });
    }
    return accounts;
  } finally {
    await app.close();
  }
}
