/** A real Redis, alone or as a cluster, that keeps nothing on disk. */
import { findProgram, onFreePorts, present } from './find.js';
import { execute, type Folder, launch, makeFolder, ordinaryUser, until } from './process.js';

export interface Redis {
  readonly port: number;
  /** host:port, as REDIS_ADDR takes it. */
  readonly addr: string;
  readonly url: string;
  /** Runs one command through redis-cli and gives its text. */
  command(...args: string[]): Promise<string>;
  /** Kills the server; `restart` brings it back. */
  kill9(): Promise<void>;
  /** Ends the server, if it runs, and starts it on the same port with an empty memory. */
  restart(): Promise<void>;
  /** Stops the server in its tracks: connections stay open and nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

async function open(folder: Folder, port: number, args: string[]): Promise<Redis> {
  const server = present(findProgram('redis-server'), 'Redis');
  const cli = present(findProgram('redis-cli'), 'Redis');
  async function command(...words: string[]): Promise<string> {
    const { stdout } = await execute(cli, ['-h', '127.0.0.1', '-p', String(port), ...words], {
      timeout: 5_000,
    });
    return stdout.trim();
  }
  const start = () =>
    launch({
      folder,
      command: server,
      args: [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder.path],
        ...['--save', '', '--appendonly', 'no', '--databases', '256', ...args],
      ],
      ready: () =>
        command('ping').then(
          (answer) => /PONG|NOAUTH/.test(answer),
          () => false,
        ),
    });
  let running = await start();
  const addr = `127.0.0.1:${port}`;
  return {
    port,
    addr,
    url: `redis://${addr}`,
    command,
    kill9: () => running.end('SIGKILL'),
    async restart() {
      await running.end('SIGKILL');
      running = await start();
    },
    pause: () => running.signal('SIGSTOP'),
    resume: () => running.signal('SIGCONT'),
    async stop() {
      await running.end('SIGTERM');
      await folder.remove();
    },
  };
}

/** Starts Redis; `args` are those of redis-server. */
export async function startRedis(options: { args?: string[] } = {}): Promise<Redis> {
  const folder = await makeFolder('redis', ordinaryUser('redis', 'nobody'));
  try {
    return await onFreePorts(1, ([port = 0]) => open(folder, port, options.args ?? []));
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** One node as its neighbours see it. */
interface Member {
  id: string;
  addr: string;
  /** The id of its master; undefined for a master. */
  master: string | undefined;
  healthy: boolean;
  slots: [first: number, last: number][];
}

export interface RedisCluster {
  readonly nodes: Redis[];
  readonly addrs: string[];
  /** The address of the master that all nodes agree on for this slot. */
  masterOf(slot: number): Promise<string>;
  /** Swaps the slot's master for its replica, as an operator would, and waits until all nodes know. */
  failover(slot?: number): Promise<{ from: string; to: string }>;
  stop(): Promise<void>;
}

function parseMembers(text: string): Member[] {
  return text.split('\n').map((line) => {
    const [id = '', address = '', flags = '', master = '-', , , , link = '', ...ranges] = line.split(' ');
    return {
      id,
      addr: address.split('@')[0] ?? '',
      master: master === '-' ? undefined : master,
      healthy: link === 'connected' && !/fail|handshake|noaddr/.test(flags),
      slots: ranges
        .filter((range) => !range.startsWith('['))
        .map((range): [number, number] => {
          const [first = '', last = first] = range.split('-');
          return [Number(first), Number(last)];
        }),
    };
  });
}

const owns = (slot: number) => (member: Member) =>
  member.slots.some(([first, last]) => first <= slot && slot <= last);

/** Starts three masters with a replica each, and waits until all agree that the cluster is whole. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: Redis[] = [];
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  const start = async () => {
    const folder = await makeFolder('redis', ordinaryUser('redis', 'nobody'));
    try {
      return await onFreePorts(2, ([port = 0, bus = 0]) =>
        open(folder, port, [
          ...['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--databases', '1'],
          ...['--cluster-node-timeout', '2000', '--repl-diskless-sync-delay', '0'],
        ]).then((node) => ({ node, bus })),
      );
    } catch (error) {
      await folder.remove();
      throw error;
    }
  };
  try {
    const started = await Promise.allSettled(Array.from({ length: 6 }, start));
    for (const result of started) if (result.status === 'fulfilled') nodes.push(result.value.node);
    const members = started.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
    const cli = present(findProgram('redis-cli'), 'Redis');
    const addresses = members.map(({ node, bus }) => `${node.addr}@${bus}`);
    await execute(cli, ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);

    const view = async (node: Redis) => parseMembers(await node.command('cluster', 'nodes'));
    async function agreedMaster(slot: number): Promise<Member | undefined> {
      const seen = await Promise.all(nodes.map(async (node) => (await view(node)).find(owns(slot))));
      const [first] = seen;
      return seen.every((member) => member?.id === first?.id) ? first : undefined;
    }
    const master = (slot: number) =>
      until(
        () => agreedMaster(slot),
        () => `No master for slot ${slot}`,
      );
    await until(
      async () => {
        const infos = await Promise.all(nodes.map((node) => node.command('cluster', 'info')));
        const views = await Promise.all(nodes.map(view));
        const whole = (list: Member[]) =>
          list.length === 6 && list.every((m) => m.healthy) && list.filter((m) => m.master).length === 3;
        return infos.every((info) => info.includes('cluster_state:ok')) && views.every(whole);
      },
      () => 'The cluster is not whole',
    );

    return {
      nodes,
      addrs: nodes.map((node) => node.addr),
      masterOf: async (slot) => (await master(slot)).addr,
      async failover(slot = 0) {
        const from = await master(slot);
        const replica = (await Promise.all(nodes.map(view)))
          .flat()
          .find((member) => member.master === from.id);
        const node = nodes.find((candidate) => candidate.addr === replica?.addr);
        if (!node) throw new Error(`No replica for slot ${slot}`);
        await until(
          async () => (await node.command('info', 'replication')).includes('link_status:up'),
          () => 'No link',
        );
        await node.command('cluster', 'failover');
        await until(
          async () => (await agreedMaster(slot))?.addr === node.addr,
          () => 'No failover',
        );
        return { from: from.addr, to: node.addr };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
