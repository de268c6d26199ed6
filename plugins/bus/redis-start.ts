import { createClient } from 'redis';
import { redisPlace } from './redis-place.js';

/** Milliseconds for one look at a server. */
const LOOK_MS = 5000;

/** What is wrong with a Redis. */
export interface Trouble {
  /** For people, without secrets. */
  sentence: string;
  /** Whether it can't come right by itself. */
  lasting: boolean;
}

/**
 * Looks once whether a Redis can be worked with.
 * @param cluster whether `REDIS_ADDR` names several, which makes them a cluster
 * @returns undefined if it can
 */
export async function examineRedis(node: string, cluster: boolean): Promise<Trouble | undefined> {
  const place = `Redis at ${redisPlace(node)} (REDIS_ADDR)`;
  const client = createClient({
    url: node.includes('://') ? node : `redis://${node}`,
    socket: { reconnectStrategy: false, connectTimeout: LOOK_MS },
    disableOfflineQueue: true,
  });
  client.on('error', () => {}); // connect() rejects with it
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it gives no answer as Redis does')), LOOK_MS);
  });
  try {
    const info = await Promise.race([client.connect().then(() => client.info()), late]);
    const version = Number.parseInt(/redis_version:(\d+)/.exec(info)?.[1] ?? '', 10);
    const clustered = /cluster_enabled:1/.test(info);
    if (version < 7)
      return { sentence: `${place} is version ${version}: 7 or newer is needed.`, lasting: true };
    if (cluster && !clustered)
      return { sentence: `${place} is no cluster: name one server only, without commas.`, lasting: true };
    if (!cluster && clustered)
      return {
        sentence: `${place} is one of a cluster: name several of its servers, with commas between them.`,
        lasting: true,
      };
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    // A user who may not ask for that may still do all that is needed.
    if (/^NOPERM.*'info'/i.test(message)) return undefined;
    return { ...reasonOf(place, message, code) };
  } finally {
    clearTimeout(timer);
    client.destroy();
  }
}

function reasonOf(place: string, message: string, code: string): Trouble {
  const lasting = (sentence: string) => ({ sentence: `${place} ${sentence}`, lasting: true });
  if (/^(WRONGPASS|ERR invalid password)/.test(message))
    return lasting(
      'refuses the password: correct it; special characters are written as %40 for @, %23 for #.',
    );
  if (/AUTH.*without any password configured/.test(message))
    return lasting('has no password, but REDIS_ADDR has one: leave it out, or set one there.');
  if (/^NOAUTH/.test(message)) return lasting('asks for a password: write redis://:password@host:port.');
  if (/^NOPERM/.test(message)) return lasting(`doesn't let its user do what is needed (${message}).`);
  if (/^DENIED/.test(message) || /protected mode/i.test(message))
    return lasting(
      'is in protected mode and refuses other machines: give it a password (requirepass) and name it here.',
    );
  if (/DB index is out of range/.test(message))
    return lasting('has no database of that number: use a lower one behind the last slash.');
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS/.test(code))
    return lasting(
      `has a certificate that can't be trusted (${message}): start with NODE_EXTRA_CA_CERTS=FILE of its authority.`,
    );
  if (code.startsWith('ERR_SSL') || code === 'EPROTO')
    return lasting('offers no TLS: write redis:// instead of rediss://.');
  return {
    sentence: `${place} can't be reached: ${message || code}. Start it, or correct host and port; where it offers TLS only, write rediss://.`,
    lasting: false,
  };
}
