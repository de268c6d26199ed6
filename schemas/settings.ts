import { type Static, Type } from '@sinclair/typebox';
import { Id } from './common.js';

/** The last second of the year 9999: for ever. */
const FOR_EVER = 253_402_300_799_000;

/** Of what somebody wants to be notified: of everything, of what mentions them or all, of nothing. */
const Level = Type.Union([Type.Literal('all'), Type.Literal('mentions'), Type.Literal('nothing')]);

/** Until when somebody wants to be notified of nothing, in milliseconds since 1970; null: not at all. */
export const MutedUntil = Type.Union([
  Type.Integer({ minimum: 0, maximum: FOR_EVER, description: `${FOR_EVER}: for ever` }),
  Type.Null(),
]);

/** What a user has set of a conversation, for themselves: nobody else is told. */
export const OwnSettings = Type.Object({
  level: Level,
  muted_until: MutedUntil,
  pinned: Type.Boolean(),
  /** Out of the list, until something newer comes. */
  hidden: Type.Boolean(),
  /** Unread from there on, whatever is read, until they read something of it. */
  unread_from: Type.Union([Id, Type.Null()]),
});
export type OwnSettings = Static<typeof OwnSettings>;

/** Body of `PATCH /api/conversations/:id/settings`: what isn't there stays. */
export const SettingsChange = Type.Partial(OwnSettings, {
  examples: [{ level: 'mentions', muted_until: FOR_EVER }, { pinned: true }, { unread_from: 1 }],
});
export type SettingsChange = Static<typeof SettingsChange>;

/** Body of `PATCH /api/me`. */
export const MeChange = Type.Object(
  { muted_until: Type.Optional(MutedUntil) },
  { examples: [{ muted_until: 1_795_862_400_000 }, { muted_until: null }] },
);
