import { type ReadonlySignal, signal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import { useMemo } from 'preact/hooks';
import type { Found as Answer } from '../../schemas/search.js';
import { type Api, ApiError, codeOf } from './api.js';

export type Answered = Static<typeof Answer>;
export type Hit = Answered['messages'][number];

/** What a search is narrowed down by; days by the browser's own clock. */
export interface Narrow {
  conversation: number | null;
  from: number | null;
  since: string;
  until: string;
}

/** What came of a search; null where nothing is searched for. */
export type Outcome =
  | { state: 'waiting' }
  | { state: 'failed'; code: string; seconds: number }
  | ({ state: 'found'; goesOn: boolean } & Answered);

const afterKey = 250;
/** Answers without a message after which somebody is asked whether to go on. */
const emptyAtOnce = 3;

/** The beginning of a day, or of the one after it. */
function momentOf(day: string, add: number): string | undefined {
  const date = new Date(`${day}T00:00`);
  if (Number.isNaN(date.getTime())) return undefined;
  date.setDate(date.getDate() + add);
  return date.toISOString();
}

function parametersOf(query: string, { conversation, from, since, until }: Narrow): Record<string, string> {
  const [after, before] = [momentOf(since, 0), momentOf(until, 1)];
  return {
    query,
    ...(conversation !== null && { conversation_id: String(conversation) }),
    ...(from !== null && { from: String(from) }),
    ...(after && { after }),
    ...(before && { before }),
  };
}

/**
 * Searches a moment after the last key, and goes on when asked to.
 * @param onAnswer is told of each answer before it is shown
 */
export function useFound(
  api: Api,
  query: ReadonlySignal<string>,
  narrow: ReadonlySignal<Narrow>,
  onAnswer: (answer: Answered) => void,
): { outcome: ReadonlySignal<Outcome | null>; goOn: () => Promise<void> } {
  const outcome = useMemo(() => signal<Outcome | null>(null), []);
  /** Stops what was asked for something else. */
  const asking = useMemo(() => ({ abort: new AbortController(), parameters: {} }), []);

  async function ask(before: Answered | null): Promise<void> {
    const { abort, parameters } = asking;
    try {
      let all = before;
      for (let tries = 1; ; tries++) {
        const cursor = all?.next_cursor;
        const answer = await api.search(
          { ...parameters, ...(cursor != null && { cursor: String(cursor) }) },
          abort.signal,
        );
        if (abort.signal.aborted) return;
        onAnswer(answer);
        all = all
          ? {
              ...answer,
              users: all.users,
              conversations: all.conversations,
              messages: [...all.messages, ...answer.messages],
            }
          : answer;
        const isOver = answer.messages.length > 0 || answer.next_cursor === null || tries === emptyAtOnce;
        outcome.value = { state: 'found', goesOn: !isOver, ...all };
        if (isOver) return;
      }
    } catch (error) {
      if (abort.signal.aborted) return;
      const wait = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
      outcome.value = { state: 'failed', code: codeOf(error), seconds: Math.ceil(wait / 1000) };
    }
  }

  useSignalEffect(() => {
    const said = query.value.trim();
    const by = narrow.value;
    asking.abort.abort();
    asking.abort = new AbortController();
    if (said === '') {
      outcome.value = null;
      return;
    }
    asking.parameters = parametersOf(said, by);
    outcome.value = { state: 'waiting' };
    const timer = setTimeout(() => void ask(null), afterKey);
    return () => {
      clearTimeout(timer);
      asking.abort.abort();
    };
  });

  return {
    outcome,
    async goOn() {
      const now = outcome.peek();
      if (now?.state !== 'found' || now.goesOn) return;
      const { state: _state, goesOn: _goesOn, ...all } = now;
      outcome.value = { ...now, goesOn: true };
      await ask(all);
    },
  };
}
