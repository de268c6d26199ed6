// A thread is with a user, or it is that of a group. One number stands for either, by which drafts, what is to be sent and
// what the device keeps are found: the user's own, or that of the group's conversation, below zero.

export const peerOf = (conversation: number): number => -conversation;

/** The conversation of a group; null of a user. */
export const groupIn = (peer: number): number | null => (peer < 0 ? -peer : null);
