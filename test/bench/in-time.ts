/** Seconds after which nothing is waited for any longer: a server that stands still must not hold the bench. */
const PATIENCE = 60;

/** Waits for something that the server does, and fails where it doesn't. @param what to say then */
export async function inTime<T>(answer: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} didn't come within ${PATIENCE} s`)), PATIENCE * 1000);
  });
  try {
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
  }
}
