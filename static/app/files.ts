import { t } from './i18n/later.js';
import { notice } from './notice.js';

const holdsFiles = (data: DataTransfer | null): boolean => data?.types.includes('Files') ?? false;

/** Files that are dropped or pasted can't be sent yet: that is said, and the browser doesn't go away to show them. */
export function refuseFiles(): () => void {
  const over = (event: DragEvent) => {
    if (!holdsFiles(event.dataTransfer)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
  };
  const drop = (event: DragEvent) => {
    const field = event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement;
    const files = holdsFiles(event.dataTransfer);
    // Text goes into a field; elsewhere a dropped link would be followed.
    if (files || !field) event.preventDefault();
    if (files) notice(t('noFiles'));
  };
  const paste = (event: ClipboardEvent) => {
    // A table brings a picture of itself along: its text is what is meant.
    if (!holdsFiles(event.clipboardData) || event.clipboardData?.getData('text/plain')) return;
    event.preventDefault();
    notice(t('noFiles'));
  };
  addEventListener('dragover', over);
  addEventListener('drop', drop);
  addEventListener('paste', paste);
  return () => {
    removeEventListener('dragover', over);
    removeEventListener('drop', drop);
    removeEventListener('paste', paste);
  };
}
