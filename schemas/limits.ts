/** Bounds that both sides of a socket must know; `welcome` carries them to extended clients. */
export const LIMITS = {
  /** Bytes of one frame of the extended protocol, and of any frame before the protocol's own limit is checked. */
  frameBytes: 65_536,
  /** Bytes (UTF-8) of a message's content. */
  contentBytes: 16_384,
  /** Messages that may be written to a connection before the client confirms any. */
  unconfirmedMessages: 1000,
  /** The same in bytes of frames. */
  unconfirmedBytes: 262_144,
  /** Positions in one `sync` frame; more go into further frames. */
  syncPositions: 1000,
  /** People whose presence one connection may watch. */
  watchedUsers: 500,
} as const;
