import { type Signal, signal, useComputed, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Pins as PinsSchema } from '../../../../schemas/change.js';
import { goTo } from '../../acting.js';
import { codeOf } from '../../api.js';
import type { Client } from '../../client.js';
import { errorText, t } from '../../i18n/later.js';
import { mayWrite } from '../../may.js';
import { messageApi } from '../../message-api.js';
import { notice } from '../../notice.js';
import { closeCover, openCover } from '../../route.js';
import { oneLine } from '../../text.js';
import type { Thread } from '../../thread.js';
import { Dialog } from '../dialog.js';
import { Icon } from '../icons.js';
import { Found } from './found.js';

type Pinned = Static<typeof PinsSchema>['pins'];

/** What is pinned in each, the newest pin first, as of when that was asked. */
const known = new WeakMap<Thread, Signal<Pinned>>();

function pinsOf(thread: Thread): Signal<Pinned> {
  const found = known.get(thread) ?? signal<Pinned>([]);
  known.set(thread, found);
  return found;
}

/** As of now: what was deleted meanwhile is pinned no more. */
const present = (thread: Thread): Pinned => {
  thread.version.value;
  return pinsOf(thread).value.filter(({ message }) => thread.messages.get(message.seq)?.deleted !== true);
};

/** Below the head of a conversation: what is pinned there. A tap goes to it, or lists them. */
export function PinBar({ client, thread }: { client: Client; thread: Thread }) {
  // Pins are changes: where nothing has ever changed there is nothing to ask.
  const isChanged = useComputed(() => {
    thread.version.value;
    return thread.change > 0;
  });
  useSignalEffect(() => {
    thread.pinned.value;
    const id = thread.conversationId;
    if (!isChanged.value || id === null || client.link.value.state !== 'online') return;
    messageApi(client.api)
      .pins(id)
      .then(
        ({ pins }) => {
          pinsOf(thread).value = pins;
        },
        () => {},
      );
  });
  const pins = present(thread);
  const [newest] = pins;
  if (!newest) return null;
  const { message } = newest;
  const { content } = thread.messages.get(message.seq) ?? message;
  return (
    <div class="pin-bar">
      <button type="button" class="pin-text" onClick={() => goTo(client, thread, message.seq)}>
        <Icon name="pin" />
        <span class="vh">{t('pinnedMessage')} </span>
        <bdi>{oneLine(content)}</bdi>
      </button>
      <button type="button" class="pin-all" aria-haspopup="dialog" onClick={() => openCover('pins')}>
        {t('allPins', { n: pins.length })}
      </button>
    </div>
  );
}

/** Pins a message, or no more. */
export async function pin(client: Client, thread: Thread, seq: number, on: boolean): Promise<void> {
  const id = thread.conversationId;
  if (id === null) return;
  try {
    client.learn(await messageApi(client.api).pin(id, seq, on));
    notice(t(on ? 'pinnedNow' : 'unpinnedNow'));
  } catch (error) {
    notice(errorText(codeOf(error)));
  }
}

/** All that is pinned. */
export function Pins({ client, thread }: { client: Client; thread: Thread }) {
  const pins = present(thread);
  return (
    <Dialog title={t('pins')} onClose={closeCover}>
      {pins.length === 0 && <p class="note">{t('noPins')}</p>}
      <ul class="found-list">
        {pins.map(({ message }) => (
          <Found key={message.seq} client={client} thread={thread} message={message}>
            {mayWrite(client, thread) && (
              <button
                type="button"
                class="round"
                onClick={() => void pin(client, thread, message.seq, false)}
              >
                <Icon name="close" />
                <span class="vh">{t('unpin')}</span>
              </button>
            )}
          </Found>
        ))}
      </ul>
    </Dialog>
  );
}
