import { type Signal, signal } from '@preact/signals';
import type { Named } from './mentions.js';
import type { Change, Edited, Keeper } from './records.js';

/** In place of what is written newly. */
export interface Editing extends Edited {
  text: Signal<string>;
}

/** What somebody began to write to each person, written down at the key: a page may be gone without a word. */
export function createDrafts(local: Keeper) {
  const texts = new Map<number, Signal<string>>();
  /** Who were chosen as mentioned in each. */
  const named = new Map<number, Map<string, number>>();
  /** Which message is answered in each; 0 for none. */
  const answered = new Map<number, Signal<number>>();
  /** Which message is edited in each, in place of writing anew. */
  const edited = new Map<number, Signal<Editing | null>>();
  /** Newer here than what was handed to the device. */
  const dirty = new Set<number>();
  const writing = new Set<number>();
  /** Whose composer is being typed in. */
  let typing: number | null = null;

  const of = (user: number): Signal<string> => {
    const found = texts.get(user) ?? signal('');
    texts.set(user, found);
    return found;
  };

  const answers = (user: number): Signal<number> => {
    const found = answered.get(user) ?? signal(0);
    answered.set(user, found);
    return found;
  };

  const edits = (user: number): Signal<Editing | null> => {
    const found = edited.get(user) ?? signal(null);
    edited.set(user, found);
    return found;
  };

  const change = (user: number): Change => {
    const text = of(user).peek();
    const reply_to = answers(user).peek();
    const editing = edits(user).peek();
    if (!text && !reply_to && !editing) return { store: 'drafts', remove: user };
    const names = named.get(user);
    return {
      store: 'drafts',
      put: {
        user_id: user,
        text,
        ...(names && { named: [...names] }),
        ...(reply_to && { reply_to }),
        ...(editing && { edits: { ...editing, text: editing.text.peek() } }),
      },
    };
  };

  function mark(user: number): void {
    dirty.add(user);
    void write(user);
  }

  /** What another tab has edited, or an earlier page. The same message stays the same edit. */
  function takeEdit(user: number, kept: (Edited & { text: string }) | undefined): void {
    const current = edits(user).peek();
    const isSame = kept?.seq === current?.seq && kept?.of === current?.of && kept?.base === current?.base;
    if (kept && current && isSame) current.text.value = kept.text;
    else if (kept || current) edits(user).value = kept ? { ...kept, text: signal(kept.text) } : null;
  }

  /** One write at a time for each person, so that a long text costs no more than the device can take. */
  async function write(user: number): Promise<void> {
    if (writing.has(user)) return;
    writing.add(user);
    while (dirty.delete(user)) await local.write(change(user));
    writing.delete(user);
  }

  return {
    of,
    people: () => [...texts].filter(([, text]) => text.peek()).map(([user]) => user),
    /** Somebody has typed: into what they edit, or else into what they write newly. */
    set(user: number, text: string): void {
      typing = user;
      (edits(user).peek()?.text ?? of(user)).value = text;
      mark(user);
    },
    /** Somebody is mentioned in it by that name: what the text says then decides. */
    name(user: number, { id, name }: Named): void {
      named.set(user, (named.get(user) ?? new Map()).set(name, id));
      dirty.add(user);
    },
    answers,
    /** What is written answers this message; 0 for none. */
    answer(user: number, seq: number): void {
      answers(user).value = seq;
      mark(user);
    },
    edits,
    /** Edits a message in place of writing anew; null: no more. */
    edit(user: number, what: Edited | null, text = ''): void {
      edits(user).value = what && { ...what, text: signal(text) };
      mark(user);
    },
    /** What is edited is saved. Returns what is to be written together with that. */
    takeEdited(user: number): Change {
      edits(user).value = null;
      dirty.delete(user);
      return change(user);
    },
    /** A message that is edited was stored meanwhile, or edited from here: the edit goes on from there. */
    moveEdits(isOf: (edit: Edited, user: number) => boolean, to: Partial<Edited>): void {
      for (const [user, editing] of edited) {
        const value = editing.peek();
        if (!value || !isOf(value, user)) continue;
        edits(user).value = { ...value, ...to };
        mark(user);
      }
    },
    /** What is edited isn't there any more: what was written goes on as something new. */
    freeEdits(isOf: (edit: Edited, user: number) => boolean): void {
      for (const [user, editing] of edited) {
        const value = editing.peek();
        if (!value || !isOf(value, user)) continue;
        edits(user).value = null;
        of(user).value = [of(user).peek(), value.text.peek()].filter(Boolean).join('\n');
        mark(user);
      }
    },
    named: (user: number): Named[] => Array.from(named.get(user) ?? [], ([name, id]) => ({ id, name })),
    /** It became a message. Returns what is to be written together with that. */
    take(user: number): Change {
      of(user).value = '';
      answers(user).value = 0;
      named.delete(user);
      dirty.delete(user);
      return change(user);
    },
    /** Whoever typed looks elsewhere: what waits for a write before it is written, since the page may be gone in a moment. */
    flush(): void {
      typing = null;
      for (const user of dirty) void local.write(change(user));
      dirty.clear();
    },
    /** Reads what earlier pages left, and what other tabs have written meanwhile. */
    async load(): Promise<void> {
      const found = await local.all('drafts');
      if (!found) return;
      const kept = new Map(found.map((draft) => [draft.user_id, draft]));
      // What is being typed here is newer than what another tab wrote down.
      for (const user of new Set([...kept.keys(), ...texts.keys()])) {
        if (user === typing || dirty.has(user) || local.pending('drafts', user)) continue;
        const draft = kept.get(user);
        of(user).value = draft?.text ?? '';
        answers(user).value = draft?.reply_to ?? 0;
        takeEdit(user, draft?.edits);
        if (draft?.named) named.set(user, new Map(draft.named));
        else named.delete(user);
      }
    },
  };
}
