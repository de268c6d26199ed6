import type { User } from '../../../schemas/user.js';
import { t } from '../i18n/index.js';

/** What somebody is called: words for who is gone, and nothing for who isn't known yet. */
export const nameOf = (user: User): string => (user.deleted ? t('deletedUser') : user.username);

/**
 * A name where it is read, with the number where it could be taken for somebody else's.
 * @param gone whether the server knows nobody with this number
 */
export function Name({ user, gone = false }: { user: User; gone?: boolean }) {
  return (
    <>
      <bdi>{nameOf(user) || (gone ? `#${user.user_id}` : '…')}</bdi>
      {user.alike && <span class="number"> #{user.user_id}</span>}
    </>
  );
}
