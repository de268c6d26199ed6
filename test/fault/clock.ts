/** Milliseconds of one clock that never goes back, and that the servers' logs can be read by. */
export const now = (): number => performance.timeOrigin + performance.now();

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
