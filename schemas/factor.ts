import { Type } from '@sinclair/typebox';
import { LIMITS } from './limits.js';
import { Password } from './session.js';

/** A code as it is typed: of an authenticator, or a recovery code, with whatever stands between its groups. */
export const Code = Type.String({ minLength: 1, maxLength: 64 });
/** In Base32, as long as ours or, of another program, longer. */
const FactorSecret = Type.String({ maxLength: 128, pattern: '^[A-Z2-7]{32,128}$' });

export const FactorState = Type.Object({
  enabled: Type.Boolean(),
  recovery_codes: Type.Integer({
    minimum: 0,
    maximum: LIMITS.recoveryCodes,
    description: 'how many are left',
  }),
});

export const FactorOffer = Type.Object({
  secret: FactorSecret,
  uri: Type.String({ maxLength: 2000 }),
  qr: Type.Object(
    { path: Type.String({ maxLength: 100_000 }), size: Type.Integer({ minimum: 21, maximum: 177 }) },
    { description: 'an SVG path in a square' },
  ),
});

export const NewFactor = Type.Object({ password: Password, secret: FactorSecret, code: Code });
export const RecoveryCodes = Type.Object({
  recovery_codes: Type.Array(Type.String({ maxLength: 40 }), { maxItems: LIMITS.recoveryCodes }),
});
export const EndOfFactor = Type.Object({ password: Password, code: Code });
