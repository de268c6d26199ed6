/**
 * Whether a key belongs to an input method, which takes Enter and Escape to mean "this word" or "no word". Safari ends
 * the composition first and tells the key afterwards: only 229, the key code of an input method, gives it away.
 */
export const composing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229;

/** A finger and no keyboard: there Enter breaks the line, and a field with the focus covers half the screen. */
export const touch = matchMedia('(hover: none) and (pointer: coarse)');
