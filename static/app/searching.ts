import { composing } from './keys.js';
import { cover, openCover } from './route.js';

interface Beginning {
  /** What was typed already. */
  query: string;
  /** Whether it is for the open thread alone. */
  here: boolean;
}

let beginning: Beginning = { query: '', here: false };

/** What is typed before there is a field for it goes into it. */
function hold(event: KeyboardEvent): void {
  if (cover.peek() !== 'search') {
    removeEventListener('keydown', hold, true);
    return;
  }
  if (event.key.length > 1 || event.ctrlKey || event.metaKey || event.altKey || composing(event)) return;
  event.preventDefault();
  beginning.query += event.key;
}

/** Opens the search with what was typed elsewhere. */
export function openSearch(query = '', here = false): void {
  beginning = { query, here };
  openCover('search');
  addEventListener('keydown', hold, true);
}

/** What it begins with so far. */
export const begun = (): Readonly<Beginning> => beginning;

/** The field is there. @returns what was typed until now */
export function begin(): string {
  removeEventListener('keydown', hold, true);
  return beginning.query;
}
