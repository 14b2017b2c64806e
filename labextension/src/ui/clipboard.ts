/** Copying to the system's clipboard. */

import { Clipboard } from '@jupyterlab/apputils';

/**
 * Copy a text.
 *
 * Browsers have `navigator.clipboard` in secure pages only, which a Jupyter server at a plain
 * `http://` address is not; there the older command does it.
 */
export async function copyText(text: string): Promise<void> {
  // The type says that it is always there.
  const clipboard = navigator.clipboard as globalThis.Clipboard | undefined;
  await (clipboard ? clipboard.writeText(text) : Clipboard.copyToSystem(text));
}
