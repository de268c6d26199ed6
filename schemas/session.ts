import { Type } from '@sinclair/typebox';
import { Timestamp } from './common.js';
import { LIMITS } from './limits.js';

export const DeviceName = Type.String({
  minLength: 1,
  maxLength: LIMITS.deviceName,
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
  description: 'what a device is called in the list of sessions',
});

const SessionId = Type.String({ minLength: 1, maxLength: 40 });
export const SessionParams = Type.Object({ id: SessionId });

/** Where a user is signed in. */
export const Sessions = Type.Object({
  sessions: Type.Array(
    Type.Object({
      id: SessionId,
      device: Type.String({ maxLength: LIMITS.deviceName }),
      address: Type.String({ maxLength: 100 }),
      created_at: Timestamp,
      seen_at: Timestamp,
      ends_at: Timestamp,
      current: Type.Boolean({ description: 'whether it is the one that asks' }),
    }),
    { maxItems: LIMITS.userSessions },
  ),
});

const Password = Type.String({ minLength: 1, maxLength: 4096 });
export const NewPassword = Type.Object({ old_password: Password, new_password: Password });
