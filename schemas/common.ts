import { type Static, Type } from '@sinclair/typebox';

/** An id that the database draws; it stays a safe integer in JSON. */
export const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

/** A place in a conversation: 1, 2, 3 … without a gap; 0 means before the first. */
export const Seq = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** When a message was stored: its `created_at` in whole milliseconds since 1970. Beside a `seq` it says of which history that is. */
export const At = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** A point in time, RFC 3339 in UTC. */
export const Timestamp = Type.String({ maxLength: 40 });

/**
 * The sender's own id of a message: the same id in the same conversation is the same message, for ever.
 * Ids that the server makes start with `~`, which a client can't use.
 */
export const ClientId = Type.String({ minLength: 1, maxLength: 64, pattern: '^[A-Za-z0-9_.:-]+$' });

/**
 * What the wire carries at most as content: the frame limits bound it further (see `limits`).
 * Counted in UTF-16 units here, since that is what JSON Schema's validator counts; bytes are checked apart.
 */
export const Content = Type.String({ maxLength: 65_536 });

/** A user's name as stored; the exact rule (code points, no invisible-only names) is `schemas/user.ts`. */
export const Username = Type.String({ minLength: 1, maxLength: 256 });

export type ClientId = Static<typeof ClientId>;
