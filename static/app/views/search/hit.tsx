import type { Client } from '../../client.js';
import { brief, exact } from '../../format.js';
import type { Hit } from '../../found.js';
import { t } from '../../i18n/later.js';
import { groupIn, peerOf } from '../../peer.js';
import { hrefOf } from '../../route.js';
import { isRtl } from '../../text.js';
import { nameOf } from '../name.js';

/** Whose thread a message that was found is in. */
export const peerIn = (me: number, { conversation_id, from_user_id, to_user_id }: Hit): number =>
  to_user_id === undefined ? peerOf(conversation_id) : from_user_id === me ? to_user_id : from_user_id;

/** A part of a message, with the places marked. */
function Excerpt({ of: { text, marks, cut_before, cut_after } }: { of: Hit['excerpt'] }) {
  const parts = [];
  let at = 0;
  for (const [from, to] of marks) {
    parts.push(text.slice(at, from), <mark key={from}>{text.slice(from, to)}</mark>);
    at = to;
  }
  return (
    <span class="excerpt" dir={isRtl(text) ? 'rtl' : 'ltr'}>
      {cut_before && '… '}
      {parts}
      {text.slice(at)}
      {cut_after && ' …'}
    </span>
  );
}

/** A message that was found: it leads to where it stands. */
export function HitRow({ client, hit, onOpen }: { client: Client; hit: Hit; onOpen: (hit: Hit) => void }) {
  const me = client.me.user_id;
  const peer = peerIn(me, hit);
  const group = groupIn(peer);
  const from = hit.from_user_id;
  const name =
    from === me
      ? t('me')
      : group !== null
        ? nameOf(client.users.of(from, group))
        : nameOf(client.directory.byPeer(peer)?.user.value ?? { user_id: peer, username: '' });
  return (
    <li>
      <a
        class="conversation hit"
        href={hrefOf(peer)}
        onClick={(event) => {
          event.preventDefault();
          onOpen(hit);
        }}
      >
        <span class="name">
          <bdi>{name || '…'}</bdi>
        </span>
        <span class="when">
          <time dateTime={hit.created_at} title={exact(hit.created_at)}>
            {brief(hit.created_at)}
          </time>
        </span>
        <Excerpt of={hit.excerpt} />
      </a>
    </li>
  );
}
