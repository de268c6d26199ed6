import type { FastifyInstance } from 'fastify';
import type { ExtendedConnection } from '../../plugins/connection/extended.js';
import { ChatError, toChatError } from '../../plugins/errors.js';
import { extendedClient } from '../../schemas/frames.js';
import type { NewChange } from '../../sql/changes.js';
import { asBeside, checkedContent, checkedEmoji, targetOf, trimmed } from './content.js';
import { dispatcher, type FrameHandler, row } from './frame.js';

type Handler = FrameHandler<ExtendedConnection>;

const idOf = (frame: { id?: string }) => (frame.id === undefined ? {} : { id: frame.id });

/** Passes a change on, which will be answered. */
function change(
  app: FastifyInstance,
  connection: ExtendedConnection,
  { id, conversation_id: conversation, seq }: { id?: string; conversation_id: number; seq: number },
  { kind, content, beside, emoji, base }: Pick<NewChange, 'kind' | 'content' | 'beside' | 'emoji' | 'base'>,
): void {
  app.limits.send(connection.user, content ?? '');
  connection.sending();
  app.changes.append({
    actor: connection.user,
    conversation,
    seq,
    kind,
    content,
    beside,
    emoji,
    base,
    done: (message) => connection.onChanged(message, id),
    failed: (error) => connection.onFailed(id, toChatError(error)),
  });
}

/** What an extended client can send, and what happens then. */
const tableOf = (app: FastifyInstance): { [K in keyof typeof extendedClient]: Handler } => ({
  sync: row(extendedClient.sync, (connection: ExtendedConnection, frame) => connection.sync(frame)),
  chat: row(extendedClient.chat, (connection: ExtendedConnection, frame) => {
    const target = targetOf(frame);
    const content = checkedContent(frame.content, trimmed);
    const beside = asBeside(frame);
    app.limits.send(connection.user, content);
    connection.sending();
    app.messages.append({
      from: connection.user,
      target,
      clientId: frame.id,
      content,
      beside,
      sender: connection,
    });
  }),
  edit: row(extendedClient.edit, (connection: ExtendedConnection, frame) => {
    const content = checkedContent(frame.content, trimmed);
    change(app, connection, frame, { kind: 'edit', content, base: frame.base, beside: asBeside(frame) });
  }),
  delete: row(extendedClient.delete, (connection: ExtendedConnection, frame) => {
    change(app, connection, frame, { kind: 'delete' });
  }),
  react: row(extendedClient.react, (connection: ExtendedConnection, frame) => {
    const emoji = checkedEmoji(frame.emoji);
    change(app, connection, frame, { kind: frame.on ? 'react' : 'unreact', emoji });
  }),
  ack: row(extendedClient.ack, (connection: ExtendedConnection, frame) => {
    connection.acknowledge(frame.conversation_id, frame.seq);
  }),
  read: row(extendedClient.read, async (connection: ExtendedConnection, { conversation_id, seq }) => {
    const read = await app.conversations.read(connection.user, conversation_id, seq, connection);
    connection.noteRead(conversation_id, read);
  }),
  typing: row(extendedClient.typing, async (connection: ExtendedConnection, { conversation_id }) => {
    if (!connection.types()) return;
    const { user } = connection;
    const { others, shown } = await app.conversations.hearTyping(user, conversation_id);
    const closed = await app.contacts.closedTo(user);
    const heard = others.filter((other) => !closed.has(other));
    await app.hub.tellTyping(heard.map((to) => ({ to, user, conversation: conversation_id, shown })));
  }),
  open: row(extendedClient.open, (connection: ExtendedConnection, { conversation_ids }) => {
    app.hub.show(connection, conversation_ids);
  }),
  presence: row(extendedClient.presence, async (connection: ExtendedConnection, frame) => {
    connection.send({
      type: 'presence',
      ...idOf(frame),
      users: await app.presence.watch(connection, frame.user_ids),
    });
  }),
  token: row(extendedClient.token, async (connection: ExtendedConnection, frame) => {
    const claims = await app.auth.verify(frame.token);
    if (claims.user_id !== connection.user) throw new ChatError('unauthorized');
    connection.renew(claims);
    connection.send({
      type: 'token',
      ...idOf(frame),
      token_expires_at: new Date(claims.exp * 1000).toISOString(),
    });
  }),
  ping: row(extendedClient.ping, (connection: ExtendedConnection, frame) => {
    connection.send({ type: 'pong', ...idOf(frame) });
  }),
});

/** @returns what handles one frame of an extended client */
export const extendedDispatch = (app: FastifyInstance) => dispatcher(tableOf(app), app.log);
