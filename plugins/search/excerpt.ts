import { SEARCH } from '../../schemas/limits.js';
import type { Place, Query } from './query.js';

/** A part of a text, and the places in it that are to be marked. */
export interface Excerpt {
  text: string;
  marks: Place[];
  /** Whether there is more of the text before it, and behind it. */
  cut_before: boolean;
  cut_after: boolean;
}

/** Characters before the first place. */
const LEAD = 60;
/** Where a text may begin or end: not within a letter. */
const WITHIN = /^(?:\p{M}|\u200d|\ufe0f|[\u{1f3fb}-\u{1f3ff}])/u;

/** The nearest place, downwards, that is between two letters, and if one is near between two words. */
function cutAt(text: string, at: number): number {
  let place = at;
  while (place > 0 && (isLowHalf(text, place) || WITHIN.test(text.slice(place, place + 2)))) place--;
  const space = text.lastIndexOf(' ', place) + 1;
  return space > 0 && place - space < 20 ? space : place;
}
const isLowHalf = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** What is shown of a text in which something was found. */
export function excerptOf(content: string, query: Query): Excerpt {
  const places = query.placesIn(content);
  const first = places[0]?.[0] ?? 0;
  const from = first <= LEAD ? 0 : cutAt(content, first - LEAD);
  const full = from + SEARCH.excerpt;
  const to = full >= content.length ? content.length : cutAt(content, full);
  const marks = places
    .filter(([start]) => start < to)
    .slice(0, SEARCH.marks)
    .map(([start, end]): Place => [start - from, Math.min(end, to) - from]);
  return {
    text: content.slice(from, to),
    marks,
    cut_before: from > 0,
    cut_after: to < content.length,
  };
}
