import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Channels as Page } from '../../../../schemas/group.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { peerOf } from '../../peer.js';
import { closeCover, hrefOf, openThread } from '../../route.js';
import { Avatar } from '../avatar.js';
import { Dialog } from '../dialog.js';
import { Filter } from '../filter.js';
import { useAttempt } from './attempt.js';

type Channel = Static<typeof Page>['channels'][number];

const page = 30;
const afterKey = 180;

/** The channels that there are, to be joined by oneself. */
export function Channels({ client }: { client: Client }) {
  const query = useSignal('');
  const channels = useSignal<readonly Channel[] | null>(null);
  const next = useSignal<number | null>(null);
  const { problem, attempt } = useAttempt();
  const list = useAttempt();

  /** @param after the last one that is there already; 0 for none */
  const read = async (after: number) => {
    const asked = query.peek().trim();
    const found = await client.api.channels(asked, after, page);
    if (asked !== query.peek().trim()) return;
    channels.value = [...(after > 0 ? (channels.peek() ?? []) : []), ...found.channels];
    next.value = found.next_cursor;
  };
  useSignalEffect(() => {
    const wait = query.value === '' ? 0 : afterKey;
    const timer = setTimeout(() => {
      read(0).catch((error: unknown) => list.attempt(() => Promise.reject(error)));
    }, wait);
    return () => clearTimeout(timer);
  });

  const join = (id: number) =>
    attempt(async () => {
      await client.api.join(id);
      client.directory.hear(await client.api.conversation(id));
      openThread(peerOf(id));
    });

  const row = ({ conversation_id: id, title, topic, members, joined }: Channel) => {
    const named = <span class="vh"> {title}</span>;
    return (
      <li key={id}>
        <Avatar user={{ user_id: peerOf(id), username: title }} />
        <span class="device">
          <bdi>{title}</bdi>
          <span class="note">{t('members', { n: members })}</span>
          {topic && (
            <span class="note topic">
              <span class="vh">{t('topicIs')} </span>
              <bdi>{topic}</bdi>
            </span>
          )}
        </span>
        {joined ? (
          <a
            class="plain"
            href={hrefOf(peerOf(id))}
            onClick={(event) => {
              event.preventDefault();
              openThread(peerOf(id));
            }}
          >
            {t('open')}
            {named}
          </a>
        ) : (
          <button type="button" class="primary" onClick={() => void join(id)}>
            {t('join')}
            {named}
          </button>
        )}
      </li>
    );
  };

  const found = channels.value;
  const after = next.value;
  return (
    <Dialog title={t('channels')} onClose={closeCover}>
      <Filter query={query} label={t('findChannel')} />
      <p class="wrong whole" role="alert">
        {problem.value || list.problem.value}
      </p>
      <p class="note" role="status">
        {found === null
          ? list.problem.value === '' && t('loadingMessage')
          : found.length === 0 && t(query.value.trim() ? 'noChannelSo' : 'noChannels')}
      </p>
      <ul class="known faces">{found?.map(row)}</ul>
      {after !== null && (
        <button type="button" class="plain" onClick={() => void list.attempt(() => read(after))}>
          {t('more')}
        </button>
      )}
    </Dialog>
  );
}
