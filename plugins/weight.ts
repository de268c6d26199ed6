import type { Beside } from '../sql/beside.js';

/** Bytes that an object of a few fields and its place in a list take, about; and a number in a list. */
const OBJECT_BYTES = 256;
const NUMBER_BYTES = 8;

/**
 * Bytes that a message keeps in memory, at most about. Counted rather than things: a thousand short texts and a thousand long ones are
 * not the same.
 * @returns with two bytes for each character of the text
 */
export const weightOf = ({ content, beside }: { content: string; beside?: Beside | undefined }): number =>
  OBJECT_BYTES + 2 * content.length + (beside === undefined ? 0 : besideWeight(beside));

const besideWeight = ({ mentions = [] }: Beside) => OBJECT_BYTES + NUMBER_BYTES * mentions.length;
