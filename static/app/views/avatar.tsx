import type { User } from '../../../schemas/user.js';
import { initials } from '../text.js';

/** One of ten colours: the same person, or group, has the same everywhere. */
export const hueOf = (id: number): string => `hue-${Math.abs(id) % 10}`;

/** A colour from the id, letters from the name. A group's is a square. */
export function Avatar({ user, online = false }: { user: User; online?: boolean | undefined }) {
  return (
    <span class={`avatar ${hueOf(user.user_id)} ${user.user_id < 0 ? 'square' : ''}`} aria-hidden="true">
      {initials(user.username)}
      {online && <i class="dot" />}
    </span>
  );
}
