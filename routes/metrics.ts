import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyPluginAsync } from 'fastify';
import { ChatError } from '../plugins/errors.js';

const sum = (counts: Record<string, number>) =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** `GET /metrics`: counts since the start, as Prometheus text (https://prometheus.io/docs/instrumenting/exposition_formats/). */
const metrics: FastifyPluginAsync = async (app) => {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  app.addHook('onClose', async () => {
    delay.disable();
  });
  app.get('/metrics', { logLevel: 'warn' }, async (request, reply) => {
    // For the operator's own network: what a proxy passes on comes from outside.
    if (['x-forwarded-for', 'forwarded', 'x-real-ip'].some((name) => request.headers[name] !== undefined))
      throw new ChatError('not_found');
    const log = app.messages.counts;
    const changes = app.changes.counts;
    const hub = app.hub.counts;
    const sockets = app.sockets.counts;
    const limits = app.limits.counts;
    const search = app.searching.indexer;
    const rows: [name: string, kind: 'counter' | 'gauge', help: string, value: number][] = [
      ['chat_connections', 'gauge', 'WebSocket connections', app.hub.size],
      ['chat_connections_opened_total', 'counter', 'WebSocket connections opened', hub.opened],
      ['chat_watched_users', 'gauge', 'Users whose presence somebody here watches', app.presence.watched],
      ['chat_sockets', 'gauge', 'TCP connections, WebSockets among them', app.sockets.size],
      ['chat_sockets_accepted_total', 'counter', 'TCP connections accepted', sockets.accepted],
      ['chat_sockets_refused_total', 'counter', 'Refused for want of room', sum(sockets.refused)],
      ['chat_sockets_cut_total', 'counter', 'Cut because a deadline was over', sum(sockets.cut)],
      ['chat_limited_tries_total', 'counter', 'Sign-ins and registrations told to wait', limits.tries],
      ['chat_limited_sends_total', 'counter', 'Messages refused as too many', limits.sends],
      ['chat_limited_questions_total', 'counter', 'Requests refused as too many', limits.questions],
      ['chat_messages_stored_total', 'counter', 'Messages stored', log.messages],
      ['chat_batches_total', 'counter', 'Batches that stored them', log.batches],
      ['chat_statements_total', 'counter', 'Statements of the log', log.statements],
      ['chat_edits_total', 'counter', 'Messages edited', changes.edit],
      ['chat_deletions_total', 'counter', 'Messages deleted, those of erased users aside', changes.delete],
      ['chat_reactions_total', 'counter', 'Reactions made, and taken back', changes.react + changes.unreact],
      ['chat_pins_total', 'counter', 'Messages pinned, and unpinned', changes.pin + changes.unpin],
      [
        'chat_changes_refused_total',
        'counter',
        'Changes refused: not theirs, deleted, a conflict',
        changes.refused,
      ],
      ['chat_change_batches_total', 'counter', 'Batches that made changes', changes.batches],
      ['chat_changes_told_total', 'counter', 'Changes handed to a connection here, gathered', hub.told],
      ['chat_cursors_moved_total', 'counter', 'Cursors moved by what clients have confirmed', hub.moved],
      ['chat_messages_delivered_total', 'counter', 'Messages handed to a connection here', hub.delivered],
      ['chat_messages_published_total', 'counter', 'Messages sent to other instances', hub.published],
      [
        'chat_messages_unreceived_total',
        'counter',
        'Of those, sent to an instance that is gone',
        hub.unreceived,
      ],
      ['chat_search_indexed_total', 'counter', 'Messages put into the index of searches', search.indexed],
      [
        'chat_search_indexing_seconds_total',
        'counter',
        'Time that took, the database aside',
        search.spentMs / 1000,
      ],
      ['chat_search_reach', 'gauge', 'Part of all conversations that is indexed, 0 to 1', search.reach],
      [
        'chat_search_behind_seconds',
        'gauge',
        'Since the first message was stored that is not indexed',
        search.behind,
      ],
      ['chat_repairs_total', 'counter', 'Connections that repair found to be owed something', hub.repaired],
      ['chat_stood_still_total', 'counter', 'Pauses of the process longer than a lease', hub.late],
      ['chat_waiting_bytes', 'gauge', 'Bytes that wait for clients, the log and the bus', app.budget.bytes],
      ['chat_over_budget_total', 'counter', 'Connections closed since too much waited', app.budget.closed],
      ['chat_database_late_total', 'counter', 'Questions to the database given up', app.db.late()],
      ['chat_database_up', 'gauge', 'Whether messages can be stored', Number(app.messages.works)],
      ['chat_bus_up', 'gauge', 'Whether the bus between instances works', Number(app.bus.ok)],
      [
        'chat_event_loop_delay_seconds',
        'gauge',
        '99th percentile since the last look',
        delay.percentile(99) / 1e9,
      ],
      ['process_resident_memory_bytes', 'gauge', 'Resident memory', process.memoryUsage.rss()],
    ];
    const age = app.db.age();
    if (age !== undefined)
      rows.push([
        'chat_database_transaction_age',
        'gauge',
        'Transactions since the oldest number in use; the embedded database stops at 2,100 million',
        age,
      ]);
    delay.reset();
    const text = rows.map(
      ([name, kind, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${name} ${value}\n`,
    );
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text.join(''));
  });
};
export default metrics;
