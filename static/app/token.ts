import { ApiError, exchange, type SignedIn } from './api.js';

// Tokens are short and in memory alone: what a browser keeps is a cookie that no script can read.

interface Held {
  user: number;
  token: string;
}

let held: Held | null = null;
let asking: Promise<SignedIn> | null = null;

/** Goes on with what signing in has given. */
export function holdToken({ user_id, token }: SignedIn): void {
  held = { user: user_id, token };
}

export function dropToken(): void {
  held = null;
  asking = null;
}

/**
 * A user's token, asked for where there is none.
 * @param refused the token that was refused: another one is needed
 * @throws ApiError `unauthorized` where nobody, or somebody else, is signed in in this browser
 */
export async function tokenOf(user: number, refused?: string): Promise<string> {
  if (held?.user === user && held.token !== refused) return held.token;
  asking ??= exchange();
  const mine = asking;
  try {
    const fresh = await mine;
    // Signed in or out meanwhile: that stands.
    if (asking === mine) holdToken(fresh);
    if (fresh.user_id !== user) throw new ApiError('unauthorized', 'somebody else is signed in');
    return fresh.token;
  } finally {
    if (asking === mine) asking = null;
  }
}
