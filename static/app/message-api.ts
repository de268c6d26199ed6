import type { Static } from '@sinclair/typebox';
import type { Pins, Reactions, Saved } from '../../schemas/change.js';
import type { History, Message } from '../../schemas/message.js';
import type { Api } from './api.js';

/** What is asked about messages beside history: not before somebody opens that. */
export const messageApi = ({ ask }: Api) => ({
  /** Answers to a message, after one of them. */
  replies: (conversation: number, seq: number, after: number) =>
    ask<Static<typeof History>>(
      `/api/conversations/${conversation}/messages/${seq}/replies?limit=50&after=${after}`,
    ),
  reactions: (conversation: number, seq: number, cursor: string | null) =>
    ask<Static<typeof Reactions>>(
      `/api/conversations/${conversation}/messages/${seq}/reactions?${new URLSearchParams({ limit: '100', ...(cursor && { cursor }) })}`,
    ),
  pins: (conversation: number) => ask<Static<typeof Pins>>(`/api/conversations/${conversation}/pins`),
  pin: (conversation: number, seq: number, on: boolean) =>
    ask<Message>(`/api/conversations/${conversation}/pins/${seq}`, { method: on ? 'PUT' : 'DELETE' }),
  saved: (cursor: number | null) =>
    ask<Static<typeof Saved>>(`/api/saved?limit=50${cursor ? `&cursor=${cursor}` : ''}`),
  save: (conversation: number, seq: number, on: boolean) =>
    ask<object>(`/api/saved/${conversation}/${seq}`, { method: on ? 'PUT' : 'DELETE' }),
  /** All that may be read of a conversation, as a file. */
  exported: (conversation: number, format: 'json' | 'html') =>
    ask<Blob>(`/api/conversations/${conversation}/export?format=${format}`, {
      read: (answer) => answer.blob(),
      language: document.documentElement.lang,
    }),
});
