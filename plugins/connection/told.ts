import type { End } from '../../sql/conversations.js';
import type { Head } from '../../sql/heads.js';
import type { ChangeNews } from './change-news.js';
import { Endpoint } from './endpoint.js';
import type { OwnFrame } from './own-frames.js';

/** What a client may be told beside messages, where its protocol has frames for it. */
export abstract class Told extends Endpoint {
  /** How far another user has come, and that they are typing. */
  abstract sendReceipt(conversation: number, user: number, delivered: number, read: number): void;
  abstract sendTyping(conversation: number, user: number, shown: boolean): void;
  /** That its user's contacts, requests or blocks are others now. */
  abstract sendContacts(version: number): void;
  /** What its user has set, now. */
  abstract sendOwn(frame: OwnFrame): void;
  /** Messages that its user may hold have changed. */
  deliverChanges(_news: ChangeNews): void {}
  /** Whether no messages of a conversation are given now. @param size its bits (schemas/size.ts), where they are known */
  abstract isParked(conversation: number, size?: number): boolean;
  /** Tells the client, soon, how far a conversation goes that is parked. @param after from where on that is all there is to tell */
  abstract noteHead(head: Head, after: number): void;
  /** Whether it was never told that a conversation goes so far, which is parked, or not of all before that. */
  abstract lacksHead(end: End): boolean;
}
