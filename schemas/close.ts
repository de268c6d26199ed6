/**
 * How the server ends a socket: the code, its reason, and whether a client should come back by itself.
 * The browser imports this table too.
 */
export const CLOSE = {
  shutdown: { code: 1012, reason: 'server is restarting', reconnect: true },
  abuse: { code: 1008, reason: 'too many bad frames', reconnect: false },
  tooLarge: { code: 1009, reason: 'frame is too large', reconnect: true },
  idle: { code: 4000, reason: 'no sign of life', reconnect: true },
  expired: { code: 4001, reason: 'token is expired or revoked', reconnect: false },
  replaced: { code: 4002, reason: 'replaced by a newer connection', reconnect: false },
  slow: { code: 4003, reason: 'too slow to read', reconnect: true },
} as const;

export type Close = (typeof CLOSE)[keyof typeof CLOSE];
