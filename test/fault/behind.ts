/** Faults of PostgreSQL, of Redis, and of the wires from the replicas to them: writes and reads alike. */
import { leaveOpen } from '../nodes/postgres.js';
import { type Act, absent, moving, postgresAway, type Result, replica } from './act.js';
import { sleep } from './clock.js';
import type { Line } from './proxy.js';
import type { Kind } from './schedule.js';
import type { Wires } from './world.js';

/** How long after it that a server's system takes a connection that vanished for dead. */
const keepalive = 8000;
/** What vanished is found by deadlines. */
const findingOut = 6000;
/** Statements that meet the same fault. */
const some = [1, 2, 4];

const tables = ['users', 'conversations', 'messages', 'members', 'cursors', 'batches'];
/** What a careful operator, or a careless one, might not allow. */
const rights = ['-@scripting', '-@write', '-@read', '-spublish', '-ssubscribe'];

function wiresOf({ world }: Act, name: string): Wires {
  const wires = world.wires.get(name);
  if (!wires) throw new Error(`replica ${name} has no wires`);
  return wires;
}

/** A replica that has something to lose: one that isn't just being started. */
function connected(act: Act, wire: keyof Wires) {
  const busy = act.world.replicas.filter(({ name }) => wiresOf(act, name)[wire].lines().length > 0);
  return busy.length > 0 ? act.chance.pick(busy) : replica(act);
}

/** Does something to the connections on which a replica asks PostgreSQL next, for as long as the step lasts. */
async function onQuestions(act: Act, grace: number, doIt: (line: Line) => void): Promise<Result> {
  const { name } = connected(act, 'postgres');
  const count = act.chance.pick(some);
  let met = 0;
  const { postgres } = wiresOf(act, name);
  await absent(act, { what: 'replica', name, grace }, async () => {
    const callOff = Array.from({ length: count }, () =>
      postgres.onNext((line) => {
        met++;
        doIt(line);
      }),
    );
    await sleep(act.step.lasts);
    for (const undo of callOff) undo();
  });
  act.did(`${name}, ${met} connections`);
  return undefined;
}

/** Locks something in a session of its own. */
async function locked(act: Act, statement: string): Promise<Result> {
  const unlock = await leaveOpen(act.world.databaseUrl, statement);
  await absent(act, postgresAway, async () => {
    await sleep(act.step.lasts);
    await unlock();
  });
  return undefined;
}

async function parted(act: Act, from: { postgres: boolean; redis: boolean }): Promise<Result> {
  const { name } = connected(act, from.postgres ? 'postgres' : 'redis');
  const wires = wiresOf(act, name);
  act.did(`${name} from${from.postgres ? ' PostgreSQL' : ''}${from.redis ? ' Redis' : ''}`);
  const cut = async () => {
    if (from.postgres) wires.postgres.part(act.step.lasts);
    if (from.redis) wires.redis.part(act.step.lasts);
    await moving(act);
  };
  // Without Redis it stores and delivers all the same.
  if (from.postgres) await absent(act, { what: 'replica', name, grace: findingOut }, cut);
  else await cut();
  return undefined;
}

async function redisFor(act: Act, begin: string[], end: string[]): Promise<Result> {
  const { command } = act.world.redis;
  await command(...begin);
  await moving(act);
  await command(...end);
  return undefined;
}

export const behind = {
  async 'postgres-failover'(act) {
    const takeOver = await act.world.makeStandby();
    await absent(act, postgresAway, () => takeOver(act.step.lasts));
    return undefined;
  },
  async 'postgres-readonly'(act) {
    const { command } = act.world.postgres;
    await absent(act, postgresAway, async () => {
      await command('alter system set default_transaction_read_only = on', 'select pg_reload_conf()');
      await sleep(act.step.lasts);
      await command('alter system reset default_transaction_read_only', 'select pg_reload_conf()');
    });
    return undefined;
  },
  async 'postgres-full'(act) {
    const { disk } = act.world.postgres;
    if (!disk) {
      act.did('nothing: no disk can be mounted here, root may on Linux');
      return undefined;
    }
    await absent(act, postgresAway, async () => {
      await disk.fill();
      await sleep(act.step.lasts);
      await disk.free();
    });
    return undefined;
  },
  async 'postgres-lock'(act) {
    const table = act.chance.pick(tables);
    act.did(table);
    return locked(act, `lock table ${table} in access exclusive mode`);
  },
  async 'postgres-row'(act) {
    const count = act.chance.pick(some);
    act.did(`${count} conversations`);
    return locked(
      act,
      `select 1 from conversations where conversation_id in
         (select distinct id from (select unnest(conversations) as id from batches order by xid desc limit 500) late limit ${count})
       order by conversation_id for update`,
    );
  },
  async 'postgres-end'(act) {
    const share = act.chance.pick([0.2, 1]);
    act.did(`${share * 100} % of the sessions`);
    await absent(act, postgresAway, () =>
      act.world.postgres.command(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where application_name like 'chat-server%' and random() < ${share}`,
      ),
    );
    return undefined;
  },
  'postgres-late': (act) => onQuestions(act, 500, (line) => line.stall(act.step.lasts)),
  'postgres-hang': (act) => onQuestions(act, findingOut, (line) => line.forget(keepalive)),
  'postgres-torn': (act) => onQuestions(act, 2000, (line) => line.cutAfter(act.chance.int(1, 300))),
  async 'postgres-forget'(act) {
    const { name } = connected(act, 'postgres');
    const lines = wiresOf(act, name).postgres.lines();
    act.did(`${name}, ${lines.length} connections`);
    await absent(act, { what: 'replica', name, grace: findingOut }, async () => {
      for (const line of lines) line.forget(keepalive);
      await sleep(act.step.lasts);
    });
    return undefined;
  },
  // Nothing listens at port 1.
  'redis-readonly': (act) => redisFor(act, ['replicaof', '127.0.0.1', '1'], ['replicaof', 'no', 'one']),
  'redis-refuse'(act) {
    const right = act.chance.pick(rights);
    act.did(right);
    return redisFor(act, ['acl', 'setuser', 'default', right], ['acl', 'setuser', 'default', '+@all']);
  },
  async 'redis-forget'(act) {
    const { name } = connected(act, 'redis');
    const lines = wiresOf(act, name).redis.lines();
    act.did(`${name}, ${lines.length} connections`);
    for (const line of lines) line.forget(keepalive);
    await moving(act);
    return undefined;
  },
  'part-postgres': (act) => parted(act, { postgres: true, redis: false }),
  'part-redis': (act) => parted(act, { postgres: false, redis: true }),
  part: (act) => parted(act, { postgres: true, redis: true }),
} as const satisfies { [kind in Kind]?: (act: Act) => Promise<Result> };
