/**
 * Makes one call of many that are asked for at the same time: while one is under way, the next gathers.
 * @param work for all keys at once; by key, missing where there is nothing
 */
export function gathered<V>(
  work: (keys: number[]) => Promise<Map<number, V>>,
): (key: number) => Promise<V | undefined> {
  let waiting: { key: number; resolve(value: V | undefined): void; reject(error: unknown): void }[] = [];
  let running = false;
  const run = async () => {
    while (waiting.length > 0) {
      // A key that is asked for twice gets two calls: each answer may be good for one only.
      const batch = new Map<number, (typeof waiting)[number]>();
      const rest: typeof waiting = [];
      for (const item of waiting) {
        if (batch.has(item.key)) rest.push(item);
        else batch.set(item.key, item);
      }
      waiting = rest;
      try {
        const values = await work([...batch.keys()]);
        for (const item of batch.values()) item.resolve(values.get(item.key));
      } catch (error) {
        for (const item of batch.values()) item.reject(error);
      }
    }
    running = false;
  };
  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (running) return;
      running = true;
      queueMicrotask(() => void run());
    });
}
