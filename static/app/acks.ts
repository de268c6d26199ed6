/** Confirms what has arrived, a moment later and only up to the newest, so that a burst costs a few frames. */
export function createAcks(send: (conversation: number, seq: number) => boolean) {
  const waiting = new Map<number, number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    for (const [conversation, seq] of waiting) send(conversation, seq);
    waiting.clear();
  }

  return {
    add(conversation: number, seq: number): void {
      waiting.set(conversation, Math.max(seq, waiting.get(conversation) ?? 0));
      // Timers of a hidden page may wait for a minute, and the sender with them.
      if (document.hidden) queueMicrotask(flush);
      else timer ??= setTimeout(flush, 100);
    },
    clear(): void {
      clearTimeout(timer);
      timer = undefined;
      waiting.clear();
    },
  };
}
