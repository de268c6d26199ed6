import type { PlainConnection } from '../../plugins/connection/plain.js';
import { ChatError } from '../../plugins/errors.js';
import { plainClient } from '../../schemas/frames.js';
import { checkedContent } from './content.js';
import { type FrameHandler, isSend, readFrame, row, rowOf } from './frame.js';

type Handler = FrameHandler<PlainConnection>;

/** What a plain client can send, and what happens then. */
const table: { [K in keyof typeof plainClient]: Handler } = {
  chat: row(plainClient.chat, (connection: PlainConnection, frame) => {
    const to = frame.to_user_id ?? 0;
    if (!Number.isSafeInteger(to) || to < 1) throw new ChatError('invalid_to_user_id');
    connection.chat(to, checkedContent(frame.content ?? ''));
  }),
  get_online_list: row(plainClient.get_online_list, (connection: PlainConnection) =>
    connection.requestOnline(),
  ),
  get_offline: row(plainClient.get_offline, (connection: PlainConnection) => connection.requestOffline()),
};
const rows = new Map<string, Handler>(Object.entries(table));

/** Handles one frame of a plain client. */
export function dispatchPlain(connection: PlainConnection, data: Buffer): void | Promise<void> {
  const frame = readFrame(data);
  if (connection.isGone && !isSend(frame)) return;
  return rowOf(rows, frame)(connection, frame);
}
