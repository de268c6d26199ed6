/** The clients of a run, who knows whom, and how much they talk. */
import type { Client } from './client.js';
import { ExtendedClient } from './extended.js';
import type { Door } from './link.js';
import { addressOf, type Many } from './many.js';
import { PlainClient } from './plain.js';
import type { Random } from './random.js';

export interface Crowd {
  clients: Client[];
  /** Begins to talk, `rate` messages a second in all. */
  talk(rate: number): void;
  hush(): void;
  /** All who know this user write to it at once. */
  burst(user: number, count: number): void;
  /** Some of them, at least one. */
  some(share: number, chance: Random): Client[];
  /** All are connected and the extended ones have nothing left to send. */
  settled(): boolean;
}

const tick = 20;
/** Neighbours are of different kinds, those two seats apart of one kind. */
const distances = [1, 2, 7];
/** Of what extended clients say, how much is said to more than one. */
const toMany = 1 / 3;

/** Whether the user at this seat is an extended client. */
export const speaksExtended = (seat: number): boolean => seat % 2 === 1;

export function makeCrowd(options: {
  users: readonly { id: number; token: string }[];
  many: Many;
  doors: readonly Door[];
  random: Random;
  /** Of extended clients: how often they send again what is stored. */
  repeat: number;
}): Crowd {
  const { users, many, doors, repeat } = options;
  const clients: Client[] = users.map(({ id, token }, index) => {
    const setup = { user: id, token, doors, random: options.random.fork(`client ${index}`) };
    return speaksExtended(index) ? new ExtendedClient({ ...setup, repeat }) : new PlainClient(setup);
  });
  // Every other one who is extended has a second device, and every other one of these a plain one beside.
  const devices = users.flatMap(({ id, token }, index) => {
    if (index % 4 !== 1) return [];
    const device = (nth: string, device: number) => ({
      ...{ user: id, token, doors, device, random: options.random.fork(`${nth} device of client ${index}`) },
    });
    const second = new ExtendedClient({ ...device('second', 1), repeat });
    return index % 8 === 1 ? [second, new PlainClient(device('third', 2))] : [second];
  });
  const chance = options.random.fork('talk');
  const friends = new Map(
    clients.map(({ user }, index) => [
      user,
      [...distances, ...distances.map((distance) => -distance)]
        .flatMap((distance) => clients.at((index + distance) % clients.length)?.user ?? [])
        .filter((other) => other !== user),
    ]),
  );
  clients.push(...devices);
  const circles = new Map(
    clients.map(({ user }) => [
      user,
      [...many].flatMap(([conversation, { members }]) =>
        members.includes(user) ? [addressOf(conversation)] : [],
      ),
    ]),
  );
  /** To whom a client says something. Plain ones know conversations of two only. */
  const receiver = (client: Client) => {
    const circle = client instanceof ExtendedClient ? (circles.get(client.user) ?? []) : [];
    return chance.pick(
      circle.length > 0 && chance.chance(toMany) ? circle : (friends.get(client.user) ?? []),
    );
  };
  // Most are a line of text; some are long, none is past what a plain frame holds.
  const size = () => (chance.chance(0.05) ? chance.int(500, 2000) : chance.int(10, 200));
  let timer: NodeJS.Timeout | undefined;

  return {
    clients,
    talk(rate) {
      let due = 0;
      timer = setInterval(() => {
        for (due += (rate * tick) / 1000; due >= 1; due--) {
          const client = chance.pick(clients);
          client.say(receiver(client), size());
        }
      }, tick);
    },
    hush() {
      clearInterval(timer);
    },
    burst(user, count) {
      const writers = clients.filter((client) => friends.get(client.user)?.includes(user));
      for (let turn = 0; turn < count; turn++)
        writers[turn % writers.length]?.say(user, chance.int(500, 1500));
    },
    some: (share, random) =>
      random.shuffle(clients).slice(0, Math.max(1, Math.round(share * clients.length))),
    settled: () =>
      clients.every((client) => client.connected && !(client instanceof ExtendedClient && client.unsent > 0)),
  };
}
