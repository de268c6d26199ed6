import { type TSchema, Type } from '@sinclair/typebox';
import { ErrorCode } from './error.js';

/** What every successful HTTP answer looks like. */
export const envelope = <T extends TSchema>(data: T) =>
  Type.Object({ code: Type.Literal(0), message: Type.Literal('ok'), data });

/** What every failed HTTP answer looks like: `code` is the status, `error` the stable name. */
export const ErrorEnvelope = Type.Object({
  code: Type.Integer({ minimum: 400, maximum: 599 }),
  message: Type.String({ maxLength: 1000 }),
  error: ErrorCode,
});
