/** Copying to the system's clipboard. */

/**
 * Copy a text.
 *
 * Browsers have `navigator.clipboard` in secure pages only, which a Jupyter server at a plain
 * `http://` address is not; there the older command does it, in WebKit only with what is selected.
 *
 * @throws If the browser does not let this page copy.
 */
export async function copyText(text: string): Promise<void> {
  // The type says that it is always there.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard) {
    return clipboard.writeText(text);
  }
  const before = document.activeElement as HTMLElement | null;
  const field = document.createElement('textarea');
  field.value = text;
  field.style.position = 'fixed'; // nothing scrolls to it
  field.style.opacity = '0';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  before?.focus();
  if (!done) {
    throw new Error('The browser does not let this page copy.');
  }
}
