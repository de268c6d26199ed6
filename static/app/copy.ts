/**
 * Puts a text into the clipboard.
 * @param near where a field may stand for a moment: plain HTTP has no `navigator.clipboard`, only what is selected
 * @returns whether it is there
 */
export async function copy(text: string, near: HTMLElement): Promise<boolean> {
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
