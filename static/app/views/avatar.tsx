import type { User } from '../../../schemas/user.js';
import { initials } from '../text.js';

/** A colour from the id, letters from the name: the same person looks the same everywhere. */
export function Avatar({ user, online = false }: { user: User; online?: boolean | undefined }) {
  return (
    <span class={`avatar hue-${user.user_id % 10}`} aria-hidden="true">
      {initials(user.username)}
      {online && <i class="dot" />}
    </span>
  );
}
