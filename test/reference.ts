/** Databases as the reference and earlier versions leave them: tables, and what people have in them. */
import { readdir, readFile } from 'node:fs/promises';
import { hash } from '@node-rs/bcrypt';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { Test } from 'tap';
import { loadConfig } from '../plugins/config.js';
import { openDatabase } from '../plugins/db/open.js';
import { checksumOf } from '../sql/migrate.js';
import { type Env, freshStack, type Server } from './helper.js';

export type Sql = FastifyInstance['db']['sql'];
export type Type = 'timestamptz' | 'timestamp';

/** The tables of the reference. */
export const tables = (type: Type) => `
  create table users (user_id bigserial primary key, username varchar(64) unique not null, password text not null);
  create table friends (
    id bigserial primary key, user_id bigint not null, friend_id bigint not null, unique (user_id, friend_id));
  create table offline_messages (
    msg_id bigserial primary key, to_user_id bigint not null, from_user_id bigint not null, content text not null,
    created_at ${type} not null default now());
  create index idx_offline_messages_to_user_id on offline_messages (to_user_id);`;

export const password = (name: string) => `password of ${name}`;
/** As the reference hashes. */
const hashed = async (name: string) => (await hash(password(name), 10)).replace(/^\$2[aby]\$/, '$2a$');

export const [alice, capital, bob] = [1, 2, 5];
const [gone, goneToo] = [77, 88];
/** msg_id, to, from, content; one a minute. */
export const owed: [number, number, number, string][] = [
  [3, alice, bob, 'the oldest'],
  [4, bob, alice, 'to bob'],
  [7, alice, gone, 'from somebody who is gone'],
  [8, goneToo, bob, 'to somebody who is gone'],
  [9, goneToo, gone, 'between two who are gone'],
  [11, alice, capital, '{"json": "\\u0041"} \' " \\ ü \u{1f600}\n'],
  [12, alice, bob, 'the second of bob'],
  [40, alice, alice, 'to myself'],
];
const at = (i: number) => `2024-05-01 10:0${i}:00.123456`;
export const rows = (user: number) =>
  owed.flatMap(([msg_id, to, from, content], i) =>
    to === user
      ? [
          {
            msg_id,
            to_user_id: to,
            from_user_id: from,
            content,
            created_at: `2024-05-01T10:0${i}:00.123Z`,
          },
        ]
      : [],
  );

/**
 * A database without tables, and nobody at work in it, whose statements could wait for a migration as it waits for them.
 * @returns settings that point an instance at it, a connection, and what closes that before an instance is started
 */
export async function emptyDatabase(t: Test): Promise<{ env: Env; sql: Sql; close(): Promise<void> }> {
  const env = await freshStack(t);
  const { sql, embedded } = await openDatabase(loadConfig(env), pino({ level: 'silent' }));
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= sql.end({ timeout: 5 }).then(() => embedded?.close());
    return closed;
  };
  t.teardown(close);
  await emptied(sql);
  return { env, sql, close };
}

/** Takes everything out of a database. */
export const emptied = (sql: Sql) => sql.unsafe('drop schema public cascade; create schema public');

const MIGRATIONS = new URL('../sql/migrations/', import.meta.url);

/** Gives an empty database the tables of an old version. @param newest name of its newest migration */
export async function asOf(sql: Sql, newest: string): Promise<void> {
  await sql`create table migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
  for (const name of (await readdir(MIGRATIONS)).sort().filter((name) => name <= newest)) {
    const text = await readFile(new URL(name, MIGRATIONS), 'utf8');
    await sql.unsafe(text);
    await sql`insert into migrations (name, checksum) values (${name}, ${checksumOf(text)})`;
  }
}

export async function fill(sql: Sql, type: Type): Promise<void> {
  await sql.unsafe(tables(type));
  for (const [id, name] of [
    [alice, 'alice'],
    [capital, 'Alice'],
    [bob, 'bob'],
  ] as const)
    await sql`insert into users (user_id, username, password) values (${id}, ${name}, ${await hashed(name)})`;
  await sql`select setval('users_user_id_seq', 6)`;
  await sql`insert into friends (user_id, friend_id) values (1, 5), (1, 77), (77, 1), (1, 1)`;
  for (const [i, [msg_id, to, from, content]] of owed.entries())
    await sql`insert into offline_messages (msg_id, to_user_id, from_user_id, content, created_at)
      values (${msg_id}, ${to}, ${from}, ${content}, ${`${at(i)}${type === 'timestamptz' ? '+00' : ''}`}::text::${sql.unsafe(type)})`;
  // Those up to here were fetched, so that their rows are gone.
  await sql`select setval('offline_messages_msg_id_seq', 50)`;
}

export async function login(server: Server, username: string, secret: string) {
  const { status, body } = await server.request('POST', '/login', { body: { username, password: secret } });
  return { status, token: String(body.data?.token) };
}
