import type { FastifyInstance } from 'fastify';
import type { PlainConnection } from '../../plugins/connection/plain.js';
import { ChatError } from '../../plugins/errors.js';
import { plainClient } from '../../schemas/frames.js';
import { checkedContent } from './content.js';
import { dispatcher, type FrameHandler, row } from './frame.js';

type Handler = FrameHandler<PlainConnection>;

/** What a plain client can send, and what happens then. */
const tableOf = (app: FastifyInstance): { [K in keyof typeof plainClient]: Handler } => ({
  chat: row(plainClient.chat, (connection: PlainConnection, frame) => {
    const user = frame.to_user_id ?? 0;
    if (!Number.isSafeInteger(user) || user < 1) throw new ChatError('invalid_to_user_id');
    const content = checkedContent(frame.content ?? '');
    app.limits.send(connection.user, content);
    connection.sending();
    app.messages.append({
      from: connection.user,
      target: { user },
      clientId: undefined,
      content,
      sender: connection,
    });
  }),
  get_online_list: row(plainClient.get_online_list, (connection: PlainConnection) => {
    const hidden = app.contacts.knownBlockersOf(connection.user);
    if (hidden !== undefined) return connection.requestOnline(hidden);
    return app.contacts.blockersOf(connection.user).then((found) => connection.requestOnline(found));
  }),
  get_offline: row(plainClient.get_offline, (connection: PlainConnection) => connection.requestOffline()),
});

/** @returns what handles one frame of a plain client */
export const plainDispatch = (app: FastifyInstance) => dispatcher(tableOf(app), app.log);
