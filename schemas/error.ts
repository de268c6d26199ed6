import { Type } from '@sinclair/typebox';

/**
 * Every error that the service answers, over HTTP and over a socket: its stable name, the HTTP status, whether the
 * same request may succeed later, and its sentence unless a closer one is given.
 */
export const ERRORS = {
  bad_request: { status: 400, retryable: false, message: 'bad request' },
  username_required: { status: 400, retryable: false, message: 'username is required' },
  password_required: { status: 400, retryable: false, message: 'password is required' },
  username_invalid: { status: 400, retryable: false, message: 'username is not usable' },
  username_mixed: {
    status: 400,
    retryable: false,
    message: 'username must not mix letters of scripts that look alike',
  },
  username_reserved: {
    status: 400,
    retryable: false,
    message: 'username is one that stands for the server or for somebody who is gone',
  },
  password_too_short: { status: 400, retryable: false, message: 'password is too short' },
  password_too_long: { status: 400, retryable: false, message: 'password must be at most 72 bytes' },
  password_invalid: {
    status: 400,
    retryable: false,
    message: 'password has a character that cannot be used',
  },
  content_required: { status: 400, retryable: false, message: 'content is required' },
  content_invalid: {
    status: 400,
    retryable: false,
    message: 'content has a character that cannot be stored',
  },
  content_too_long: { status: 400, retryable: false, message: 'content is too long' },
  invalid_to_user_id: { status: 400, retryable: false, message: 'invalid to_user_id' },
  invalid_position: { status: 400, retryable: false, message: 'seq is past what was given' },
  unsupported_type: { status: 400, retryable: false, message: 'unsupported message type' },
  emoji_invalid: { status: 400, retryable: false, message: 'emoji should be one emoji' },
  query_too_short: {
    status: 400,
    retryable: false,
    message: 'query needs a word of two characters, or one Chinese, Japanese or Korean one',
  },
  query_too_long: { status: 400, retryable: false, message: 'query has too many words' },
  title_invalid: { status: 400, retryable: false, message: 'title is not usable' },
  topic_invalid: { status: 400, retryable: false, message: 'topic is not usable' },
  missing_token: { status: 401, retryable: false, message: 'missing token' },
  unauthorized: { status: 401, retryable: false, message: 'unauthorized' },
  suspended: { status: 403, retryable: false, message: 'this account is suspended' },
  code_needed: { status: 403, retryable: false, message: 'a code of your second factor is needed' },
  code_wrong: { status: 403, retryable: false, message: 'the code is wrong, or was used already' },
  second_factor_needed: {
    status: 403,
    retryable: false,
    message: 'this server asks for a second factor: set one up first',
  },
  wrong_password: { status: 403, retryable: false, message: 'the old password is wrong' },
  not_accepted: {
    status: 403,
    retryable: false,
    message: 'this person does not accept that from you, or you do not from them',
  },
  origin_refused: { status: 403, retryable: false, message: 'origin is not allowed' },
  admin_needed: { status: 403, retryable: false, message: 'only an admin may do this' },
  moderator_needed: { status: 403, retryable: false, message: 'only a moderator or an owner may do this' },
  owner_needed: { status: 403, retryable: false, message: 'only an owner may do this' },
  posting_closed: {
    status: 403,
    retryable: false,
    message: 'you may not write here: only moderators and owners do, or nobody any more',
  },
  not_author: { status: 403, retryable: false, message: 'only who wrote a message may do this' },
  edit_too_late: { status: 403, retryable: false, message: 'it is too late to edit this message' },
  registration_closed: { status: 403, retryable: false, message: 'nobody can register here' },
  invite_needed: {
    status: 403,
    retryable: false,
    message: 'an invite is needed that is neither used up, nor expired, nor revoked',
  },
  reset_invalid: {
    status: 403,
    retryable: false,
    message: 'this link has been used, has expired, or another one was made since',
  },
  not_found: { status: 404, retryable: false, message: 'not found' },
  user_not_found: { status: 404, retryable: false, message: 'target user not found' },
  invite_not_found: { status: 404, retryable: false, message: 'invite not found' },
  session_not_found: { status: 404, retryable: false, message: 'session not found' },
  conversation_not_found: { status: 404, retryable: false, message: 'conversation not found' },
  member_not_found: { status: 404, retryable: false, message: 'this person is not in the conversation' },
  message_not_found: { status: 404, retryable: false, message: 'message not found' },
  method_not_allowed: { status: 405, retryable: false, message: 'method not allowed' },
  request_timeout: { status: 408, retryable: true, message: 'request took too long to arrive' },
  username_taken: { status: 409, retryable: false, message: 'username is already taken' },
  username_confusable: {
    status: 409,
    retryable: false,
    message: "username can't be told apart from somebody else's",
  },
  last_admin: { status: 409, retryable: false, message: 'nobody else is an admin' },
  last_owner: { status: 409, retryable: false, message: 'nobody else is an owner: make somebody one first' },
  group_full: { status: 409, retryable: false, message: 'there is no room for so many' },
  too_many_groups: { status: 409, retryable: false, message: 'you have made too many groups' },
  too_many_pinned: { status: 409, retryable: false, message: 'too much is pinned: unpin something first' },
  too_many_invites: {
    status: 409,
    retryable: false,
    message: 'there are too many open invites; revoke some first',
  },
  factor_exists: { status: 409, retryable: false, message: 'there is a second factor already: end it first' },
  list_full: { status: 409, retryable: false, message: 'this list is full: remove something first' },
  id_reused: { status: 409, retryable: false, message: 'another message has this id already' },
  conflict: {
    status: 409,
    retryable: false,
    message: 'the message was edited meanwhile: look at it, and edit it as it is now',
  },
  too_many_reactions: { status: 409, retryable: false, message: 'there are too many kinds of reactions' },
  too_many_pins: { status: 409, retryable: false, message: 'too much is pinned here: unpin something first' },
  deleted: { status: 410, retryable: false, message: 'this message has been deleted' },
  payload_too_large: { status: 413, retryable: false, message: 'body is too large' },
  uri_too_long: { status: 414, retryable: false, message: 'address is too long' },
  unsupported_media_type: { status: 415, retryable: false, message: 'content type must be application/json' },
  upgrade_required: { status: 426, retryable: false, message: 'this address speaks WebSocket' },
  too_many_requests: { status: 429, retryable: true, message: 'too many requests, try again later' },
  headers_too_large: { status: 431, retryable: false, message: 'headers are too large' },
  internal: { status: 500, retryable: true, message: 'internal error' },
  overloaded: { status: 503, retryable: true, message: 'too busy, try again later' },
  unavailable: { status: 503, retryable: true, message: 'the message cannot be stored now, try again' },
  outcome_unknown: {
    status: 503,
    retryable: true,
    message: 'the message may have been stored; send it again with the same id',
  },
} as const satisfies Record<string, { status: number; retryable: boolean; message: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** The stable name of an error, as `error` over HTTP and as `code` in a frame. */
export const ErrorCode = Type.String({ maxLength: 40, description: 'stable name of the error' });

/** Milliseconds after which trying again makes sense. */
export const RetryAfterMs = Type.Integer({
  minimum: 1,
  maximum: 3_600_000,
  description: 'milliseconds after which trying again makes sense',
});
