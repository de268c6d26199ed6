/**
 * Whether no tab of this browser has the lock; it is then held here for so long. True as well where there are no locks,
 * as on plain HTTP: each tab is for itself there.
 */
export function free(name: string, mode: LockMode, ms = 0): Promise<boolean> {
  const locks: LockManager | undefined = navigator.locks;
  return new Promise((resolve) => {
    if (!locks) resolve(true);
    else
      locks
        .request(name, { mode, ifAvailable: true }, async (lock) => {
          resolve(lock !== null);
          if (lock && ms > 0) await new Promise((over) => setTimeout(over, ms));
        })
        .catch(() => resolve(true));
  });
}
