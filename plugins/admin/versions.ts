import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { Client } from '../db/lanes.js';

/** Of this program and of what runs it: a line for each. */
export function versions(): string[] {
  // Built or not, and wherever to: the next one above is this program's.
  let root = import.meta.dirname;
  while (!existsSync(join(root, 'package.json'))) root = dirname(root);
  const said: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { version } = Value.Decode(Type.Object({ version: Type.String() }), said);
  return [`chat-server ${version}`, `Node ${process.versions.node}`];
}

export async function postgresVersion(sql: Client): Promise<string> {
  const [row] = await sql<[{ v: string }]>`select current_setting('server_version') as v`;
  return row.v.split(' ')[0] ?? '';
}
