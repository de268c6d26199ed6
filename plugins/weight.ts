/** Bytes that an object of a few fields and its place in a list take, about. */
const OBJECT_BYTES = 256;

/**
 * Bytes that something with a text in it keeps in memory, at most about. Counted rather than things: a thousand short texts and a
 * thousand long ones are not the same.
 * @param text whose two bytes a character are counted
 */
export const weightOf = (text: string): number => OBJECT_BYTES + 2 * text.length;
