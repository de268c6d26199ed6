import { t } from './i18n/later.js';
import { notice } from './notice.js';

/**
 * Puts a text into the clipboard, and says whether it is there.
 * @param near where a field may stand for a moment: plain HTTP has no `navigator.clipboard`, only what is selected
 */
export async function copy(text: string, near: HTMLElement): Promise<void> {
  notice(t((await put(text, near)) ? 'copied' : 'copyFailed'));
}

async function put(text: string, near: HTMLElement): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Forbidden to this page: the other way may still be open.
    }
  }
  const field = document.createElement('textarea');
  field.className = 'vh';
  field.value = text;
  near.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
