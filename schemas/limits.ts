/** The bounds of what waits or is kept. `welcome` carries those that both sides of a socket must know. */
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
  /** Bytes that may wait unread in a connection's socket before it counts as behind, and nothing more is read from it. */
  bufferBytes: 262_144,
  /** Frames of a client that wait while an earlier one is handled, and their bytes; past them its socket isn't read. */
  inboxFrames: 64,
  inboxBytes: 65_536,
  /** Bytes of messages that wait to be stored; past them a send is refused, retryable. */
  waitingBytes: 67_108_864,
  /** Bytes of stored messages whose ids are remembered, in each of two generations. */
  recentBytes: 4_194_304,
  /** Bytes of messages on their way to other instances; the log has those that are dropped. */
  remoteBytes: 16_777_216,
} as const;
