/** The clients of a run, who knows whom, and how much they talk. */
import type { Client, ClientSetup } from './client.js';
import { ExtendedClient } from './extended.js';
import type { Door } from './link.js';
import { addressOf, type Many, parks } from './many.js';
import { PlainClient } from './plain.js';
import type { Random } from './random.js';

export interface Crowd {
  clients: Client[];
  /** Begins to talk, `rate` messages a second in all. */
  talk(rate: number): void;
  hush(): void;
  /** Whoever said what they show shows everything. */
  showAll(): void;
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
/** Of that, how much mentions somebody. */
const mentions = 0.2;

/** Whether the user at this seat is an extended client. */
export const speaksExtended = (seat: number): boolean => seat % 2 === 1;

/** Every other one who is extended has a second device. */
const hasSecond = (seat: number): boolean => seat % 4 === 1;

/** Of the devices whose users are in channels, or in large groups, so many say what they show. */
const showing = 1 / 3;

/** A device of an extended client, by its seat. */
type Seat = `${'first' | 'second'} ${number}`;

/** The devices that say what they show, with what each may show: fewer than one `open` may name. */
function drawScreens({ users, many, random }: CrowdOptions): Map<Seat, number[]> {
  const devices = users.flatMap(({ id }, index): [Seat, number[]][] => {
    const wide = [...many].flatMap(([conversation, group]) =>
      parks(group) && group.members.includes(id) ? [conversation] : [],
    );
    if (!speaksExtended(index) || wide.length === 0) return [];
    return hasSecond(index)
      ? [
          [`first ${index}`, wide],
          [`second ${index}`, wide],
        ]
      : [[`first ${index}`, wide]];
  });
  return new Map(
    random
      .fork('screens')
      .shuffle(devices)
      .slice(0, Math.ceil(devices.length * showing)),
  );
}

interface CrowdOptions {
  users: readonly { id: number; token: string }[];
  many: Many;
  doors: readonly Door[];
  random: Random;
  /** Of extended clients: how often they send again what is stored. */
  repeat: number;
}

export function makeCrowd(options: CrowdOptions): Crowd {
  const { users, many, doors, repeat } = options;
  const screens = drawScreens(options);
  const extended = (setup: ClientSetup, seat: Seat) => {
    const wide = screens.get(seat);
    return new ExtendedClient({ ...setup, repeat, ...(wide && { wide }) });
  };
  const clients: Client[] = users.map(({ id, token }, index) => {
    const setup = { user: id, token, doors, random: options.random.fork(`client ${index}`) };
    return speaksExtended(index) ? extended(setup, `first ${index}`) : new PlainClient(setup);
  });
  // Every other one of those who have a second device has a plain one beside.
  const devices = users.flatMap(({ id, token }, index) => {
    if (!hasSecond(index)) return [];
    const device = (nth: string, device: number) => ({
      ...{ user: id, token, doors, device, random: options.random.fork(`${nth} device of client ${index}`) },
    });
    const second = extended(device('second', 1), `second ${index}`);
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
  // Of what is said to more than one, some mentions one of them.
  const names = options.random.fork('mentions');
  const mentioned = (to: number) => {
    const { members = [] } = many.get(-to) ?? {};
    return members.length > 0 && names.chance(mentions) ? [names.pick(members)] : [];
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
          const to = receiver(client);
          client.say(to, size(), mentioned(to));
        }
      }, tick);
    },
    hush() {
      clearInterval(timer);
    },
    showAll() {
      for (const client of clients) if (client instanceof ExtendedClient) client.showAll();
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
