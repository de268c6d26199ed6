import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { LIMITS } from '../../../schemas/limits.js';
import { selected } from '../acting.js';
import { altered, type Shown } from '../altered.js';
import { attentive } from '../attention.js';
import type { Client } from '../client.js';
import { eventText } from '../event-text.js';
import { Heights } from '../heights.js';
import { t } from '../i18n/index.js';
import { allNames, type Named } from '../mentions.js';
import { groupIn } from '../peer.js';
import { rowOf } from '../rows.js';
import { useSought } from '../sought.js';
import type { Thread } from '../thread.js';
import { Viewport } from '../viewport.js';
import { Row } from './bubble.js';
import { Composer } from './composer.js';
import { Icon } from './icons.js';
import { Once, Soon } from './lazy.js';
import { nameOf } from './name.js';
import { ThreadHead } from './thread-head.js';

const estimate = 44;
const awaitedFor = 5_000;

export function ThreadView({ client, thread }: { client: Client; thread: Thread }) {
  const user = thread.user.value;
  const strange = thread.gone.value && thread.conversationId === null;
  const group = thread.group.value;
  const mayWrite = group?.posting !== 'moderators' || group.role !== 'member';
  const isClosed =
    user.deleted ||
    (group
      ? group.role === null || group.archived || !mayWrite
      : client.contacts.of(thread.peer) === 'blocked');
  const label = groupIn(thread.peer) === null ? 'messages' : 'messagesIn';
  return (
    <section class="thread" aria-label={t(label, { name: nameOf(user) })}>
      <ThreadHead client={client} thread={thread} />
      <Once>{({ PinBar }) => <PinBar client={client} thread={thread} />}</Once>
      <Log client={client} thread={thread} />
      {selected.value ? (
        <Soon>{({ Selecting }) => <Selecting client={client} thread={thread} />}</Soon>
      ) : isClosed ? (
        <Once>{({ Closed }) => <Closed client={client} thread={thread} />}</Once>
      ) : (
        !strange && <Composer key={thread.peer} client={client} thread={thread} />
      )}
    </section>
  );
}

/** The messages, of which only those near the window are in the document. */
function Log({ client, thread }: { client: Client; thread: Thread }) {
  const scroller = useRef<HTMLDivElement>(null);
  const spacer = useRef<HTMLDivElement>(null);
  const drawn = useRef<HTMLOListElement>(null);
  const emptied = useRef(0);
  const viewport = useMemo(() => {
    const heights = thread.rows instanceof Heights ? thread.rows : new Heights(0, estimate);
    thread.rows = heights;
    return new Viewport(heights);
  }, [thread]);
  const said = useMemo(() => thread.said.peek(), [thread]);
  /** Where the unread ones began when the thread was opened; it stands until one leaves or answers. */
  const dividerAt = useSignal(thread.firstUnread());
  const mentionsThen = useMemo(() => thread.mentions.peek(), [thread]);
  /** What the server has and didn't give before it was on the screen: nothing is read until it is there; 0 for none. */
  const awaited = useSignal(thread.end > thread.position ? thread.end : 0);
  const pending = useComputed(() =>
    client.outbox.said.value.filter((item) => item.to_user_id === thread.peer),
  );
  const alterations = useComputed(() =>
    client.outbox.items.value.filter((item) => item.alters && item.to_user_id === thread.peer),
  );

  useLayoutEffect(() => {
    const { current: scroll } = scroller;
    if (!scroll || !spacer.current || !drawn.current) return;
    const detach = viewport.attach(scroll, spacer.current, drawn.current);
    viewport.resize(thread.position + pending.peek().length);
    const { place } = thread;
    thread.resting = false;
    if (place) viewport.show(place.seq - 1, place.shift);
    else if (dividerAt.peek() > 0) viewport.show(dividerAt.peek() - 1, scroll.clientHeight / 4);
    return () => {
      thread.place = viewport.place;
      detach();
    };
  }, [thread]);

  useSignalEffect(() => {
    if (awaited.value === 0) return;
    const timer = setTimeout(() => {
      awaited.value = 0;
    }, awaitedFor);
    thread.version.value;
    if (thread.position >= awaited.value) {
      awaited.value = 0;
      dividerAt.value = thread.firstUnread();
      if (dividerAt.value > 0 && scroller.current)
        viewport.show(dividerAt.value - 1, scroller.current.clientHeight / 4);
    }
    return () => clearTimeout(timer);
  });
  useEffect(
    () => () => {
      selected.value = null;
    },
    [thread],
  );
  // A message that is written here brings the newest into view, wherever one was.
  useSignalEffect(() => {
    if (thread.said.value === said) return;
    dividerAt.value = 0;
    viewport.toEnd();
  });
  const found = useSought(thread, viewport, scroller, drawn, () => {
    dividerAt.value = 0;
    viewport.resize(thread.position + pending.peek().length);
  });
  // Read meanwhile on another device, it isn't new here any more.
  useSignalEffect(() => {
    if (thread.unread.value === 0 && !attentive.peek()) dividerAt.value = 0;
  });
  thread.version.value;
  const count = thread.position + pending.value.length;
  const { start, end } = viewport.range.value;
  const receipt = thread.receipt.value;
  const states = client.outbox.state.value;
  const unkept = client.unkept.value;
  const online = client.link.value.state === 'online';
  /** Of a type that this version doesn't know: it has no row. */
  const silent = (index: number) => index < thread.position && thread.silent(index + 1);
  const done = (index: number) => thread.messages.get(index + 1)?.event !== undefined;
  /** The last message: what was done to a group has no menu. */
  let newest = count - 1;
  while (newest >= 0 && (silent(newest) || done(newest))) newest--;
  const group = groupIn(thread.peer);
  const { me } = client;
  const called = (id: number) => (group === null ? '' : nameOf(client.users.of(id, group)) || '…');

  /** What is answered by what is drawn, and isn't here. */
  const quoted: number[] = [];
  useLayoutEffect(() => {
    viewport.resize(count);
    // What is before the first of all has no height.
    for (let index = emptied.current; index < thread.begins - 1; index++) viewport.heights.set(index, 0);
    emptied.current = thread.begins - 1;
    for (let index = start; index < end; index++) if (silent(index)) viewport.heights.set(index, 0);
    viewport.measure();
    if (start < end) client.directory.need(thread, start + 1, Math.min(end, thread.position));
    for (const seq of quoted) client.directory.need(thread, seq, seq);
  });

  // Read is what was on the screen of somebody who looks at it.
  useSignalEffect(() => {
    thread.version.value;
    viewport.range.value;
    const end = viewport.atEnd.value;
    if (!attentive.value || awaited.value > 0) return;
    const seen = requestAnimationFrame(() => {
      client.read(thread, end ? thread.position : viewport.lastVisible + 1);
    });
    return () => cancelAnimationFrame(seen);
  });

  // One's own messages are never new to oneself.
  let divider = dividerAt.value;
  while (
    divider > 0 &&
    (silent(divider - 1) ||
      done(divider - 1) ||
      thread.messages.get(divider)?.from_user_id === client.me.user_id)
  )
    divider++;
  const newMessages = t('newMessages') + (mentionsThen > 0 ? ` · ${t('mentions', { n: mentionsThen })}` : '');
  /** In a small group the last one of one's own says who has read it. */
  let lastOwn = -1;
  if (group !== null && (thread.group.value?.members ?? Infinity) <= LIMITS.toldMembers) {
    lastOwn = Math.min(count, thread.position) - 1;
    while (
      lastOwn >= start &&
      (done(lastOwn) || thread.messages.get(lastOwn + 1)?.from_user_id !== me.user_id)
    )
      lastOwn--;
  }
  const namesIn = (shown: Shown | null): readonly Named[] => {
    if (group === null || !shown) return [];
    const { mentions = [], mention_all } = shown;
    const names = mentions.map((id) => ({ id, name: nameOf(client.users.of(id, group)) }));
    return mention_all ? [...names, ...allNames] : names;
  };
  const rows = [];
  for (let index = start; index < Math.min(end, count); index++) {
    if (silent(index)) continue;
    const row = rowOf({
      index,
      thread,
      me: me.user_id,
      pending: pending.value,
      states,
      receipt,
      online,
    });
    const { key, ...props } = row;
    const { message } = row;
    const from = message && 'from_user_id' in message ? message.from_user_id : me.user_id;
    const author = group === null || row.own || !message ? null : client.users.of(from, group);
    const line =
      message && 'event' in message && message.event
        ? eventText(message.event, from, me.user_id, called)
        : null;
    const shown = message ? altered(message, alterations.value, me.user_id) : null;
    const answered = shown?.deleted ? undefined : message?.reply_to;
    if (answered && answered <= thread.position && thread.messages.get(answered) === undefined)
      quoted.push(answered);
    rows.push(
      <Row
        key={key}
        {...props}
        divider={divider === index + 1 && newMessages}
        shown={shown}
        fate={row.fate && shown?.waiting ? 'sending' : row.fate}
        sought={found.value === index + 1 && index < thread.position}
        names={namesIn(shown)}
        me={me.user_id}
        below={
          <>
            {message && shown && (shown.reactions.length > 0 || shown.failed.length > 0) && (
              <Soon>
                {({ Beneath }) => <Beneath client={client} thread={thread} message={message} shown={shown} />}
              </Soon>
            )}
            {index === lastOwn && (
              <Once>{({ ReadBy }) => <ReadBy client={client} thread={thread} seq={index + 1} />}</Once>
            )}
          </>
        }
        above={
          answered !== undefined && (
            <Soon>{({ Quote }) => <Quote client={client} thread={thread} seq={answered} />}</Soon>
          )
        }
        unkept={row.message?.id !== undefined && unkept.has(`outbox/${row.message.id}`)}
        newest={index === newest}
        sender={row.own ? t('me') : nameOf(author ?? thread.user.value)}
        author={line === null ? author : null}
        line={line}
        onRetry={client.retry}
        onDiscard={client.discard}
      />,
    );
  }
  const unread = thread.unread.value;
  return (
    <div class="log">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section class="scroller" ref={scroller} tabIndex={0} aria-label={t('log')}>
        <div class="spacer" ref={spacer}>
          <ol class="drawn" ref={drawn}>
            {rows}
          </ol>
        </div>
      </section>
      {count === 0 && thread.gone.value && <Once>{({ Nobody }) => <Nobody thread={thread} />}</Once>}
      {count === 0 && !thread.gone.value && (
        <div class="hello">
          <p class="title">{t('emptyThread')}</p>
          {group === null && thread.user.value.username && !thread.user.value.deleted && (
            <p>{t('emptyThreadHint', { name: thread.user.value.username })}</p>
          )}
        </div>
      )}
      {group !== null && (
        <Once>
          {({ Jumps }) => (
            <Jumps client={client} thread={thread} viewport={viewport} divider={dividerAt.value} />
          )}
        </Once>
      )}
      {!viewport.atEnd.value && count > 0 && (
        <button type="button" class="newest" onClick={() => viewport.toEnd()}>
          <Icon name="down" />
          <span class="vh">{t('toNewest')}</span>
          {unread > 0 && <span class="badge">{unread > 999 ? '999+' : unread}</span>}
        </button>
      )}
    </div>
  );
}
