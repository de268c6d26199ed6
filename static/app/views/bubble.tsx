import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Message } from '../../../schemas/message.js';
import type { User } from '../../../schemas/user.js';
import { select, selected } from '../acting.js';
import type { Shown } from '../altered.js';
import { openMenu } from '../chosen.js';
import { clock, dayName, exact } from '../format.js';
import { errorText, t } from '../i18n/index.js';
import { touch } from '../keys.js';
import type { Named } from '../mentions.js';
import type { Outgoing } from '../records.js';
import { emojiCount, isRtl } from '../text.js';
import { Avatar, hueOf } from './avatar.js';
import { Icon, type IconName } from './icons.js';
import { Marked } from './markup.js';
import { Name } from './name.js';

/** What became of a message of one's own. */
export type Fate = 'waiting' | 'sending' | 'sent' | 'delivered' | 'read' | 'failed';

const icons: Record<Fate, IconName> = {
  waiting: 'clock',
  sending: 'clock',
  sent: 'check',
  delivered: 'checks',
  read: 'seen',
  failed: 'alert',
};

export function FateIcon({ fate }: { fate: Fate }) {
  const name = fate === 'failed' ? t('failed', { reason: '' }).replace(/[:：].*/, '') : t(fate);
  return (
    <span class={`fate ${fate}`} title={name}>
      <Icon name={icons[fate]} />
      <span class="vh">{name}</span>
    </span>
  );
}

export interface RowProps {
  index: number;
  message: Message | Outgoing | undefined;
  own: boolean;
  /** First and last of a group by the same sender. */
  first: boolean;
  last: boolean;
  /** The day that begins here. */
  day: number | null;
  divider: ComponentChildren;
  /** It was searched for. */
  sought: boolean;
  /** The last of all: the Tab key stops at its menu, and up and down go to those of the others. */
  newest: boolean;
  fate: Fate | null;
  /** As it is, and as it will be; null where nothing is here yet. */
  shown: Shown | null;
  /** What stands above its text: what it answers. */
  above: ComponentChildren;
  /** This device couldn't keep it: only the page has it. */
  unkept: boolean;
  sender: string;
  /** In a group who wrote it; null of one's own, and between two. */
  author: User | null;
  /** Whom it mentions. */
  names: readonly Named[];
  me: number;
  /** What stands below it. */
  below: ComponentChildren;
  /** What was done to the group, where the message says that. */
  line: string | null;
  onRetry: (item: Outgoing) => void;
  onDiscard: (id: string) => void;
}

/** One row of a thread: perhaps a new day, perhaps the line above what is new, and a bubble. */
export function Row(props: RowProps) {
  const { index, message, own, first, last, day, divider, sought, author, line } = props;
  if (!message) {
    return (
      <li class={`row empty ${index % 3 === 0 ? 'own' : ''}`} data-i={index}>
        <span class="ghost">
          <span class="vh">{t('loadingMessage')}</span>
        </span>
      </li>
    );
  }
  return (
    <li
      class={`row ${line === null ? (own ? 'own' : '') : 'event'} ${first ? 'first' : ''} ${last ? 'last' : ''} ${author ? 'among' : ''} ${sought ? 'sought' : ''}`}
      data-i={index}
      aria-posinset={index + 1}
      aria-setsize={-1}
    >
      {day !== null && (
        <div class="day">
          <span>{dayName(day)}</span>
        </div>
      )}
      {divider && (
        <div class="divider">
          <span>{divider}</span>
        </div>
      )}
      {line === null && props.shown ? (
        <Bubble {...props} message={message} shown={props.shown} />
      ) : (
        <p class="line">
          <bdi>{line ?? ''}</bdi>
        </p>
      )}
      {props.below}
      {author && last && <Avatar user={author} />}
    </li>
  );
}

/** Links, and for a tap buttons, mean something else, and whoever has selected text means that. */
const meansElse = (target: EventTarget | null, others = 'a, button, input'): boolean =>
  !(target instanceof Element) || target.closest(others) !== null || getSelection()?.isCollapsed === false;

const heldFor = 500;
let held: ReturnType<typeof setTimeout> | undefined;
const release = () => clearTimeout(held);

/** The finger that has opened a menu by staying leaves without a click on what lies there now. */
function ignoreClick(): void {
  const ignore = (event: Event) => {
    event.stopPropagation();
    event.preventDefault();
  };
  const lifted = () => {
    addEventListener('click', ignore, { capture: true, once: true });
    setTimeout(() => removeEventListener('click', ignore, { capture: true }), 100);
  };
  addEventListener('pointerup', lifted, { capture: true, once: true });
}

/** Opens the menu of a message: by a tap or a long press, by the right button, or by the key that stands for that. */
function menuOf(message: Message | Outgoing) {
  const open = (box: HTMLElement, at?: { x: number; y: number }) => {
    release();
    const button = box.querySelector<HTMLElement>('.more');
    if (button) openMenu(message, button, at);
  };
  const toggle = () => {
    if ('seq' in message) select(message.seq);
  };
  return {
    onClick({ target, currentTarget }: MouseEvent): void {
      if (!(currentTarget instanceof HTMLElement) || meansElse(target)) return;
      if (selected.peek()) toggle();
      else if (touch.matches && !(document.activeElement instanceof HTMLTextAreaElement)) open(currentTarget);
    },
    onContextMenu(event: MouseEvent): void {
      const { target, currentTarget, clientX: x, clientY: y, button } = event;
      const onMore = target instanceof Element && target.closest('.more') !== null;
      if (!(currentTarget instanceof HTMLElement) || (meansElse(target, 'a, input') && !onMore)) return;
      event.preventDefault();
      if (!selected.peek()) open(currentTarget, onMore || button !== 2 ? undefined : { x, y });
    },
    onPointerDown({ pointerType, currentTarget, target }: PointerEvent): void {
      release();
      if (pointerType !== 'touch' || meansElse(target, 'a, input') || selected.peek()) return;
      if (currentTarget instanceof HTMLElement)
        held = setTimeout(() => {
          ignoreClick();
          open(currentTarget);
        }, heldFor);
    },
    onPointerUp: release,
    onPointerCancel: release,
    onPointerMove({ movementX, movementY }: PointerEvent): void {
      if (Math.abs(movementX) + Math.abs(movementY) > 6) release();
    },
  };
}

function walk(event: KeyboardEvent): void {
  if ((event.key !== 'ArrowUp' && event.key !== 'ArrowDown') || event.altKey) return;
  if (!(event.currentTarget instanceof HTMLElement)) return;
  let next: Element | null | undefined = event.currentTarget.closest('.row');
  // What was done to a group has no menu.
  do next = event.key === 'ArrowUp' ? next?.previousElementSibling : next?.nextElementSibling;
  while (next?.matches('.event'));
  event.preventDefault();
  next?.querySelector<HTMLElement>('.more, .tick')?.focus();
}

function look(content: string) {
  const emoji = emojiCount(content);
  const size = emoji === 0 ? '' : emoji <= 3 ? 'emoji large' : 'emoji';
  return { size, dir: isRtl(content) ? 'rtl' : 'ltr' } as const;
}

function Bubble({
  index,
  message,
  shown,
  fate,
  unkept,
  newest,
  sender,
  author,
  first,
  names,
  me,
  above,
  onRetry,
  onDiscard,
}: RowProps & { message: Message | Outgoing; shown: Shown }) {
  const { created_at } = message;
  const { content, deleted, edited } = shown;
  const { size, dir } = useMemo(() => look(content), [content]);
  const error = 'error' in message ? message.error : null;
  const isSelected = 'seq' in message && selected.value?.has(message.seq) === true;
  const place = 'seq' in message ? message.seq : null;
  const isGone = deleted || content === '';
  /** Whoever goes from one to the next by keyboard hears whose message that is. */
  const told = `from-${index} text-${index}`;
  return (
    <>
      {/* A finger opens the menu anywhere; for everything else there is the button. */}
      <div
        class={`bubble ${above ? '' : size} ${error ? 'failed' : ''} ${isSelected ? 'selected' : ''}`}
        dir={dir}
        {...menuOf(message)}
      >
        {author && first ? (
          <span id={`from-${index}`} class={`author ${hueOf(author.user_id)}`}>
            <Name user={author} />
            <span class="vh">: </span>
          </span>
        ) : (
          <span id={`from-${index}`} class="vh">
            {sender}:{' '}
          </span>
        )}
        {above}
        <span id={`text-${index}`} class="text">
          {isGone ? <em>{t('emptied')}</em> : <Marked text={content} names={names} me={me} />}
        </span>
        {selected.value === null ? (
          <button
            type="button"
            class="more"
            tabIndex={newest ? 0 : -1}
            aria-haspopup="menu"
            aria-describedby={told}
            onClick={({ currentTarget }) => openMenu(message, currentTarget)}
            onKeyDown={walk}
          >
            <Icon name="more" />
            <span class="vh">{t('actions')}</span>
          </button>
        ) : (
          place !== null &&
          !isGone && (
            <input
              type="checkbox"
              class="tick"
              tabIndex={newest ? 0 : -1}
              checked={isSelected}
              aria-label={t('selectMessage')}
              aria-describedby={told}
              onChange={() => select(place)}
              onKeyDown={walk}
            />
          )
        )}
        <span class="meta" dir="ltr">
          {edited && !isGone && <span class="edited">{t('edited')}</span>}
          <time dateTime={created_at} title={exact(created_at)}>
            {clock(created_at)}
          </time>
          {fate && !(isGone && fate !== 'sending') && <FateIcon fate={fate} />}
        </span>
      </div>
      {unkept && !error && (
        <div class="failure" role="alert">
          {t('unkept')}
        </div>
      )}
      {error && 'n' in message && (
        <div class="failure" role="alert">
          <span>{t('failed', { reason: errorText(error) })}</span>
          <button type="button" class="link" onClick={() => onRetry(message)}>
            {t('retry')}
          </button>
          <button type="button" class="link" onClick={() => onDiscard(message.id)}>
            {t('discard')}
          </button>
        </div>
      )}
    </>
  );
}
