import { setTimeout as sleep } from 'node:timers/promises';
import { ExtendedUser } from './extended.js';
import { chat, Ledger, openAll, openUser, settled } from './load.js';
import { type Bench, type Figures, sideBySide, timed, withReplicas } from './measure.js';
import { flushAll } from './socket.js';
import type { Replica } from './stack.js';

/** How one of the protocols stores and fetches. */
interface Form {
  sender(port: number, i: number): Promise<Sender>;
  /** Comes back and fetches what it lacks. */
  fetcher(port: number, i: number, ledger: Ledger): Promise<{ end(): void }>;
}

interface Sender {
  chat(to: number, content: string): void;
  /** Waits until all that was sent is stored. */
  stored(): Promise<void>;
  end(): void;
}

const plain = (): Form => ({
  async sender(port, i) {
    const socket = await openUser(port, i);
    return {
      chat: (to, content) => chat(socket, to, content),
      stored: () => settled(socket),
      end: () => socket.end(),
    };
  },
  async fetcher(port, i, ledger) {
    const socket = await openUser(port, i, (text) => {
      if (!text.startsWith('{"type":"offline_list"')) return;
      for (const row of JSON.parse(text).data) ledger.arrive(row.content.slice(0, row.content.indexOf(' ')));
    });
    socket.send('{"type":"get_offline"}');
    flushAll();
    return socket;
  },
});

function extended(): Form {
  const positions = new Map<number, Map<number, number>>();
  return {
    async sender(port, i) {
      const user = await ExtendedUser.open(port, i);
      await user.sync();
      return user;
    },
    async fetcher(port, i, ledger) {
      const user = await ExtendedUser.open(port, i, positions.get(i));
      positions.set(i, user.positions);
      user.onChat = ledger.take;
      await user.sync();
      return user;
    },
  };
}

/**
 * Messages to people who are away, as fast as they are taken; then they come and fetch them. Once in a process that has just
 * started, and once more after that: a round is over before the compiler has seen much of the code.
 */
async function awayAs(bench: Bench, form: Form, script?: string): Promise<Figures> {
  const [messages, senders, receivers] = [20_000, 50, 100];
  const run = async (replicas: Replica[]): Promise<Figures> => {
    const port = replicas[0]?.port ?? 0;
    const ledger = new Ledger();
    const clients = await openAll(senders, (i) => form.sender(port, i));
    const store = async (count: number) => {
      for (let i = 0; i < count; i++)
        clients[i % senders]?.chat(senders + (Math.floor(i / senders) % receivers), ledger.next(i));
      await Promise.all(clients.map((client) => client.stored()));
    };
    const fetchAll = async () => {
      const fetchers = await openAll(receivers, (i) => form.fetcher(port, senders + i, ledger));
      let last = performance.now();
      while (ledger.lost > 0 && performance.now() - last < 5000) {
        const { lost } = ledger;
        await sleep(5);
        if (ledger.lost !== lost) last = performance.now();
      }
      return fetchers;
    };
    const figures: Figures = {};
    // Conversations are there, as they are between people who know each other.
    await store(senders * receivers);
    for (const name of ['', ', again']) {
      const stored = await timed(bench, replicas, messages, () => store(messages));
      await sleep(500);
      const fetched = await timed(bench, replicas, ledger.lost, fetchAll);
      Object.assign(figures, {
        [`stored/s${name}`]: stored.rate,
        [`µs/stored${name}`]: stored.all,
        [`server µs/stored${name}`]: stored.server,
        [`fetched/s${name}`]: fetched.rate,
        [`µs/fetched${name}`]: fetched.all,
        [`server µs/fetched${name}`]: fetched.server,
      });
      for (const client of fetched.result) client.end();
      await sleep(1000);
    }
    for (const client of clients) client.end();
    return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
  };
  return withReplicas(bench, script === undefined ? await bench.stack.fresh() : {}, 1, run, script);
}

export const away = (bench: Bench) => awayAs(bench, plain());

/** Both protocols, each on a server and a database of its own. @param script another that takes their place, and stores nothing */
export const awayBoth = async (bench: Bench, script?: string) =>
  sideBySide(await awayAs(bench, plain(), script), await awayAs(bench, extended(), script));
