/** Somebody who comes, asks whether all is well, signs in, and goes: a server that is up but deaf doesn't let them. */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import type { Account } from './peer.js';

/** Milliseconds that getting in may take, and between two times. */
const PATIENCE_MS = 5000;
const EVERY_MS = 500;

function status(port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', path, agent: false, timeout: PATIENCE_MS }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${path}`)));
    request.on('error', reject);
  });
}

/** Gets in and out once. @throws Error where that isn't possible */
async function call(port: number, { token }: Account): Promise<void> {
  const ready = await status(port, '/readyz');
  if (ready !== 200) throw new Error(`/readyz answers ${ready}`);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ['chat.v2'], {
    headers: { authorization: `Bearer ${token}` },
  });
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('nothing is synced')), PATIENCE_MS);
    socket.on('open', () => socket.send('{"type":"sync","positions":[]}'));
    socket.on('message', (data) => {
      if (JSON.parse(data.toString()).type !== 'synced') return;
      clearTimeout(late);
      socket.close();
    });
    socket.on('close', () => resolve());
    socket.on('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
  }).finally(() => socket.terminate());
}

export interface Guest {
  /** Stops, and says how often somebody came and what they met instead of being let in. */
  stop(): Promise<{ calls: number; turnedAway: string[] }>;
}

export function guests(port: number, account: Account): Guest {
  let calls = 0;
  const turnedAway: string[] = [];
  const start = performance.now();
  const stopped = new AbortController();
  const running = (async () => {
    for (; !stopped.signal.aborted; calls++) {
      await call(port, account).catch((error: unknown) => {
        const seconds = Math.round((performance.now() - start) / 1000);
        turnedAway.push(`after ${seconds} s: ${error instanceof Error ? error.message : String(error)}`);
      });
      await sleep(EVERY_MS, undefined, { signal: stopped.signal }).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await running;
      return { calls, turnedAway };
    },
  };
}
