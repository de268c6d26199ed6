// Runs before the first paint, so that a chosen theme never flashes through the other one.
const chosen = (() => {
  try {
    return localStorage.getItem('chat.theme');
  } catch {
    return null; // storage may be forbidden
  }
})();
const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
document.documentElement.dataset.theme = dark ? 'dark' : 'light';
