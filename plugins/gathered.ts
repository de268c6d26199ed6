/** Milliseconds from the start of one call to the next: the cost of one is mostly its own, not that of its keys. */
const INTERVAL_MS = 8;

/**
 * Makes one call of many that are asked for at the same time: while one is under way, the next gathers.
 * @param work for all keys at once; by key, missing where there is nothing
 * @param atMost keys of one call
 */
export function gathered<K, V>(
  work: (keys: K[]) => Promise<Map<K, V>>,
  atMost = Number.POSITIVE_INFINITY,
): (key: K) => Promise<V | undefined> {
  let waiting: { key: K; resolve(value: V | undefined): void; reject(error: unknown): void }[] = [];
  let running = false;
  let startedAt = Number.NEGATIVE_INFINITY;
  const run = async () => {
    while (waiting.length > 0) {
      startedAt = performance.now();
      // A key that is asked for twice gets two calls: each answer may be good for one only.
      const batch = new Map<K, (typeof waiting)[number]>();
      const rest: typeof waiting = [];
      for (const item of waiting) {
        if (batch.size >= atMost || batch.has(item.key)) rest.push(item);
        else batch.set(item.key, item);
      }
      waiting = rest;
      try {
        const values = await work([...batch.keys()]);
        for (const item of batch.values()) item.resolve(values.get(item.key));
      } catch (error) {
        for (const item of batch.values()) item.reject(error);
      }
      if (waiting.length > 0) await pause();
    }
    running = false;
  };
  const pause = () => {
    const ms = startedAt + INTERVAL_MS - performance.now();
    // At once is after all that this turn of the event loop reads.
    return new Promise<void>((done) => (ms > 0 ? setTimeout(done, ms) : setImmediate(done)));
  };
  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (running) return;
      running = true;
      void pause().then(run);
    });
}
