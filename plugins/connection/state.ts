/** Where a connection stands, with what only then is known. */
export type State =
  /** Its user isn't claimed yet. Whether something came meanwhile: it is in the log. */
  | { is: 'opening'; missed: boolean }
  /** The client hasn't said what it has: it is given nothing. */
  | { is: 'waiting' }
  /** The log is asked about what the client says that it has. Whether something came meanwhile: the answer may not have it. */
  | { is: 'syncing'; missed: boolean }
  /** It reads the log. */
  | Behind
  /** It is given messages as they are stored. */
  | { is: 'live' }
  /** It says goodbye. Whether what the client still says counts, and whether nobody is there any more to be answered. */
  | { is: 'closing'; deaf: boolean; gone: boolean };

/** `missed`: whether something came that the page being read may not have. */
export type Behind = { is: 'behind'; missed: boolean };

export const WAITING: State = { is: 'waiting' };
export const LIVE: State = { is: 'live' };
