import type { GroupEvent } from '../../schemas/group.js';
import type { Beside } from '../../sql/beside.js';
import type { Arrival } from '../log/types.js';

/** Messages to so many that nobody looks up where each of them is: every replica gives them to those who are with it. */
export interface Crowded {
  /** The replica that has stored them. */
  by: string;
  messages: readonly { message: Arrival; version: number | undefined }[];
}

const AGAIN = 1;
const RECEIPTS = 2;
/** Bits of schemas/size.ts stand above these two. */
const SIZE_FROM = 2;

/** What a message is besides its own, as one number. */
export const packFlags = ({ again, receipts, size = 0 }: Arrival): number =>
  (again ? AGAIN : 0) | (receipts ? RECEIPTS : 0) | (size << SIZE_FROM);
export const unpackFlags = (flags: number) => ({
  again: (flags & AGAIN) !== 0,
  receipts: (flags & RECEIPTS) !== 0,
  size: flags >> SIZE_FROM,
});

/** As it is sent: the version of who is in its conversation, and the message; its text, or what was done. */
type Row = [
  version: number | null,
  conversation: number,
  seq: number,
  msgId: number,
  from: number,
  text: string | GroupEvent,
  createdAt: number,
  flags: number,
  clientId: string,
  beside?: Beside,
];

export type PackedCrowded = Row[];

export const packCrowded = ({ messages }: Crowded): PackedCrowded =>
  messages.map(({ message, version }): Row => {
    const { conversation, seq, msgId, from, content, event, createdAt, clientId, beside } = message;
    const flags = packFlags(message);
    const row: Row = [
      version ?? null,
      conversation,
      seq,
      msgId,
      from,
      event ?? content,
      createdAt,
      flags,
      clientId,
    ];
    if (beside !== undefined) row.push(beside);
    return row;
  });

export const unpackCrowded = (by: string, rows: PackedCrowded): Crowded => ({
  by,
  messages: rows.map(
    ([version, conversation, seq, msgId, from, text, createdAt, flags, clientId, beside]) => ({
      version: version ?? undefined,
      message: {
        ...{ conversation, seq, msgId, from, to: undefined, createdAt, clientId, beside },
        ...(typeof text === 'string' ? { content: text } : { content: '', event: text }),
        ...unpackFlags(flags),
      },
    }),
  ),
});

/** What the text of such a parcel begins with: whoever sent it needn't read it. */
export const markOf = (replica: string): string => `{"o":${JSON.stringify(replica)}`;
