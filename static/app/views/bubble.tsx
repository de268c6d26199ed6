import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Message } from '../../../schemas/message.js';
import type { User } from '../../../schemas/user.js';
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
  /** The last of all: the Tab key stops at its menu, and up and down go to those of the others. */
  newest: boolean;
  fate: Fate | null;
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
  onRetry: (id: string) => void;
  onDiscard: (id: string) => void;
}

/** One row of a thread: perhaps a new day, perhaps the line above what is new, and a bubble. */
export function Row(props: RowProps) {
  const { index, message, own, first, last, day, divider, author, line } = props;
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
      class={`row ${line === null ? (own ? 'own' : '') : 'event'} ${first ? 'first' : ''} ${last ? 'last' : ''} ${author ? 'among' : ''}`}
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
      {line === null ? (
        <Bubble {...props} message={message} />
      ) : (
        <p class="line">
          <bdi>{line}</bdi>
        </p>
      )}
      {props.below}
      {author && last && <Avatar user={author} />}
    </li>
  );
}

/** A tap on a message opens its menu, unless it means something else: a link, a selection, a keyboard to be closed. */
function tap({ target, currentTarget }: MouseEvent): void {
  if (!touch.matches || !(target instanceof Element) || !(currentTarget instanceof HTMLElement)) return;
  if (target.closest('a, button') || document.activeElement instanceof HTMLTextAreaElement) return;
  if (getSelection()?.isCollapsed === false) return;
  currentTarget.querySelector<HTMLElement>('.more')?.click();
}

function walk(event: KeyboardEvent): void {
  if ((event.key !== 'ArrowUp' && event.key !== 'ArrowDown') || event.altKey) return;
  if (!(event.currentTarget instanceof HTMLElement)) return;
  let next: Element | null | undefined = event.currentTarget.closest('.row');
  // What was done to a group has no menu.
  do next = event.key === 'ArrowUp' ? next?.previousElementSibling : next?.nextElementSibling;
  while (next?.matches('.event'));
  event.preventDefault();
  next?.querySelector<HTMLElement>('.more')?.focus();
}

function look(content: string) {
  const emoji = emojiCount(content);
  const size = emoji === 0 ? '' : emoji <= 3 ? 'emoji large' : 'emoji';
  return { size, dir: isRtl(content) ? 'rtl' : 'ltr' } as const;
}

function Bubble({
  message,
  fate,
  unkept,
  newest,
  sender,
  author,
  first,
  names,
  me,
  onRetry,
  onDiscard,
}: RowProps & { message: Message | Outgoing }) {
  const { content, created_at } = message;
  const { size, dir } = useMemo(() => look(content), [content]);
  const error = 'error' in message ? message.error : null;
  return (
    <>
      {/* biome-ignore lint/a11y: a finger opens the menu by a tap, everything else has the button */}
      <div class={`bubble ${size} ${error ? 'failed' : ''}`} dir={dir} onClick={tap}>
        {author && first ? (
          <span class={`author ${hueOf(author.user_id)}`}>
            <Name user={author} />
            <span class="vh">: </span>
          </span>
        ) : (
          <span class="vh">{sender}: </span>
        )}
        <span class="text">
          {content === '' ? <em>{t('emptied')}</em> : <Marked text={content} names={names} me={me} />}
        </span>
        <button
          type="button"
          class="more"
          tabIndex={newest ? 0 : -1}
          aria-haspopup="menu"
          onClick={({ currentTarget }) => openMenu(message, currentTarget)}
          onKeyDown={walk}
        >
          <Icon name="more" />
          <span class="vh">{t('actions')}</span>
        </button>
        <span class="meta" dir="ltr">
          <time dateTime={created_at} title={exact(created_at)}>
            {clock(created_at)}
          </time>
          {fate && <FateIcon fate={fate} />}
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
          <button type="button" class="link" onClick={() => onRetry(message.id)}>
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
