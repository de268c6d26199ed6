import type { Delivery } from './messages.js';

/** `to` is to hear that `user` has received or read more of a conversation. */
export interface Change {
  to: number;
  user: number;
  conversation: number;
}

export interface Typing {
  to: number;
  user: number;
  conversation: number;
}

/** What replicas tell each other. Any of it may be lost. */
export interface Parcel {
  /** Stored messages, each for the connection of a user: its receiver, or its sender where it needs a copy. */
  messages?: { user: number; message: Delivery }[];
  receipts?: Change[];
  typing?: Typing[];
  /** A newer connection stands: close one of that user whose number is lower. */
  kicks?: { user: number; number: number }[];
  /** These users' debts may have come from elsewhere: look. */
  looks?: number[];
  presence?: { online: number[]; offline: number[] };
}

// Short keys and rows, since a replica reads as many of these as it has messages.
interface Packed {
  m?: [number, number, number, number, number, number, string, number, number, number, string?][];
  r?: Change[];
  t?: Typing[];
  k?: { user: number; number: number }[];
  l?: number[];
  p?: { online: number[]; offline: number[] };
}

const RECENT = 1;
const AGAIN = 2;

export function pack(parcel: Parcel): string {
  const packed: Packed = {};
  if (parcel.messages !== undefined)
    packed.m = parcel.messages.map(({ user, message }) => [
      user,
      message.conversation,
      message.seq,
      message.msgId,
      message.from,
      message.to,
      message.content,
      message.createdAt,
      (message.recent ? RECENT : 0) | (message.again ? AGAIN : 0),
      message.receipts ? 1 : 0,
      ...(user === message.from ? ([message.clientId] as const) : ([] as const)),
    ]);
  if (parcel.receipts !== undefined) packed.r = parcel.receipts;
  if (parcel.typing !== undefined) packed.t = parcel.typing;
  if (parcel.kicks !== undefined) packed.k = parcel.kicks;
  if (parcel.looks !== undefined) packed.l = parcel.looks;
  if (parcel.presence !== undefined) packed.p = parcel.presence;
  return JSON.stringify(packed);
}

/** @param text from another replica of this program, by `pack` */
export function unpack(text: string): Parcel {
  const packed: Packed = JSON.parse(text);
  return {
    ...(packed.m !== undefined && {
      messages: packed.m.map(
        ([user, conversation, seq, msgId, from, to, content, createdAt, flags, receipts, clientId = '']) => ({
          user,
          message: {
            conversation,
            seq,
            msgId,
            from,
            to,
            content,
            createdAt,
            clientId,
            recent: (flags & RECENT) !== 0,
            again: (flags & AGAIN) !== 0,
            receipts: receipts === 1,
          },
        }),
      ),
    }),
    ...(packed.r !== undefined && { receipts: packed.r }),
    ...(packed.t !== undefined && { typing: packed.t }),
    ...(packed.k !== undefined && { kicks: packed.k }),
    ...(packed.l !== undefined && { looks: packed.l }),
    ...(packed.p !== undefined && { presence: packed.p }),
  };
}
