import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { picking } from '../../chosen.js';
import { type Emoji, found } from '../../emoji.js';
import { emojiGroups } from '../../emoji-table.js';
import { tag } from '../../i18n/index.js';
import { type Key, t } from '../../i18n/later.js';
import { touch } from '../../keys.js';
import { choose, recent } from '../../recent-emoji.js';
import { closeCover } from '../../route.js';
import { Dialog } from '../dialog.js';

const labels: readonly Key[] = [
  'emoji.smileys',
  'emoji.people',
  'emoji.nature',
  'emoji.food',
  'emoji.travel',
  'emoji.activities',
  'emoji.objects',
  'emoji.symbols',
  'emoji.flags',
];
const shownAtMost = 120;

/** Emoji to choose from: those of late first, and all by name in either language. */
export function EmojiPicker() {
  const groups = useSignal<readonly (readonly Emoji[])[] | 'failed' | null>(null);
  const query = useSignal('');
  const box = useRef<HTMLDivElement>(null);
  useSignalEffect(() => {
    emojiGroups().then(
      (all) => {
        groups.value = all;
      },
      () => {
        groups.value = 'failed';
      },
    );
  });
  const all = useComputed(() => (Array.isArray(groups.value) ? groups.value.flat() : []));
  const wanted = query.value.trim();
  const matches = wanted ? found(all.value, wanted).slice(0, shownAtMost) : [];
  const lately = recent();
  const names = useComputed(() => new Map(all.value.map((emoji) => [emoji.sign, emoji])));

  const take = (sign: string) => {
    choose(sign);
    closeCover();
    picking.peek().run(sign);
  };
  const grid = (title: string, signs: readonly string[], isFirst = false) => (
    <section key={title} aria-label={title}>
      <h3>{title}</h3>
      <ul class="emoji-grid">
        {signs.map((sign, index) => {
          const emoji = names.value.get(sign);
          const name = emoji && (tag.value.startsWith('zh') ? emoji.zh : emoji.en);
          return (
            <li key={sign}>
              <button
                type="button"
                tabIndex={isFirst && index === 0 ? 0 : -1}
                aria-label={name && `${sign} ${name}`}
                title={name}
                onClick={() => take(sign)}
              >
                {sign}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );

  /** One stop for the Tab key, and arrows between. */
  function walk(event: KeyboardEvent): void {
    const signs = [...(box.current?.querySelectorAll<HTMLElement>('.emoji-grid button') ?? [])];
    const { activeElement } = document;
    const at = activeElement instanceof HTMLElement ? signs.indexOf(activeElement) : -1;
    const next = nextOf(signs, at, event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  return (
    <Dialog title={t(picking.value.what)} onClose={closeCover}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: its keys are those of the emoji in it */}
      <div class="emoji-picker" ref={box} onKeyDown={walk}>
        <input
          type="search"
          class="filter"
          value={query.value}
          placeholder={t('findEmoji')}
          aria-label={t('findEmoji')}
          autocomplete="off"
          // On a phone that would open the keyboard over what one came to see.
          autofocus={!touch.matches}
          onInput={({ currentTarget }) => {
            query.value = currentTarget.value;
          }}
          onKeyDown={(event) => {
            const [first] = matches;
            if (event.key === 'Enter' && first) take(first.sign);
          }}
        />
        <p class="vh" role="status">
          {wanted && groups.value !== null && t('emojiFound', { n: matches.length })}
        </p>
        <div class="emoji-box">
          {wanted ? (
            matches.length > 0 ? (
              grid(
                t('emojiFound', { n: matches.length }),
                matches.map(({ sign }) => sign),
                true,
              )
            ) : (
              <p class="note">{t(groups.value === null ? 'loadingMessage' : 'noEmoji')}</p>
            )
          ) : (
            <>
              {grid(t('emoji.recent'), lately, true)}
              {groups.value === 'failed' && <p class="note">{t('error.network')}</p>}
              {groups.value === null && <p class="note">{t('loadingMessage')}</p>}
              {Array.isArray(groups.value) &&
                groups.value.map((group: readonly Emoji[], index: number) =>
                  grid(
                    t(labels[index] ?? 'emoji.symbols'),
                    group.map(({ sign }) => sign),
                  ),
                )}
            </>
          )}
        </div>
      </div>
    </Dialog>
  );
}

/** Left and right by one, up and down to what stands above or below. */
function nextOf(signs: readonly HTMLElement[], at: number, key: string): HTMLElement | undefined {
  const here = signs[at];
  if (!here) return key === 'ArrowDown' ? signs[0] : undefined;
  if (key === 'ArrowLeft') return signs[at - 1];
  if (key === 'ArrowRight') return signs[at + 1];
  if (key !== 'ArrowDown' && key !== 'ArrowUp') return undefined;
  const { left, top } = here.getBoundingClientRect();
  const down = key === 'ArrowDown';
  const others = down ? signs.slice(at + 1) : signs.slice(0, at).reverse();
  let row: number | undefined;
  let best: HTMLElement | undefined;
  for (const other of others) {
    const place = other.getBoundingClientRect();
    if (place.top === top) continue;
    row ??= place.top;
    if (place.top !== row) break;
    if (!best || Math.abs(place.left - left) < Math.abs(best.getBoundingClientRect().left - left))
      best = other;
  }
  return best;
}
