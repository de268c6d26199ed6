import { type TSchema, Type } from '@sinclair/typebox';
import { ErrorCode, RetryAfterMs } from './error.js';
import { Message } from './message.js';

/** What every failed HTTP answer looks like: `code` is the status, `error` the stable name. The last where it is known. */
const ErrorEnvelope = Type.Object({
  code: Type.Integer({ minimum: 400, maximum: 599 }),
  message: Type.String({ maxLength: 1000 }),
  error: ErrorCode,
  retry_after_ms: Type.Optional(RetryAfterMs),
  /** Of `conflict`: the message as it is now. */
  data: Type.Optional(Message),
});

/** How a route refuses, which otherwise answers with something else than an envelope. */
export const refusals = { '4xx': ErrorEnvelope, '5xx': ErrorEnvelope };

/** The answers of a route: its data in the envelope, or an error. */
export const answers = <T extends TSchema>(data: T) => ({
  200: Type.Object({ code: Type.Literal(0), message: Type.Literal('ok'), data }),
  ...refusals,
});

/** The envelope of a successful answer. */
export const ok = <T>(data: T) => ({ code: 0, message: 'ok', data }) as const;
