import type { OwnSettings } from '../../schemas/settings.js';

/** What holds where the user has set nothing. */
export const unset: OwnSettings = {
  level: 'all',
  muted_until: null,
  pinned: false,
  hidden: false,
  unread_from: null,
};

/** Whether what was muted until a moment is so at another one. */
export const isMuted = (until: number | null, at: number): boolean => until !== null && until > at;

/** Whether the user wants to be told of a message. */
export function tells({ level, muted_until }: OwnSettings, mention: boolean, at: number): boolean {
  return !isMuted(muted_until, at) && (level === 'all' || (level === 'mentions' && mention));
}
