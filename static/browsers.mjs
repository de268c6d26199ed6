/**
 * The browsers that the page is made for: Baseline 2023, as of the end of that year. Written down here alone: the build
 * lowers syntax to it, and `npm run check` refuses what came later (`check.mjs`).
 */
export const targets = ['chrome120', 'edge120', 'firefox121', 'safari17.2', 'ios17.2'];
