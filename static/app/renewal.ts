/** Gets a fresh token at half of the old one's life, so that a page that is used never has to ask for the password. */
export function createRenewal(fetchToken: () => Promise<string | null>, onFresh: (token: string) => void) {
  const soonest = 30_000;
  const again = 600_000;
  const longest = 2 ** 31 - 1; // timers know no more
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** How far the server's clock is ahead of ours. */
  let ahead = 0;

  async function renew(): Promise<void> {
    const token = await fetchToken().catch(() => null);
    if (token !== null) onFresh(token);
    else if (timer !== undefined) timer = setTimeout(renew, again);
  }

  return {
    /** `serverTime` where the server has said it. */
    schedule(expiresAt: string, serverTime?: string): void {
      clearTimeout(timer);
      if (serverTime) ahead = Date.parse(serverTime) - Date.now();
      const left = Date.parse(expiresAt) - (Date.now() + ahead);
      timer = setTimeout(renew, Math.min(Math.max(left / 2, soonest), longest));
    },
    stop(): void {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
