/** A viewer in a browser tab of its own. */

import { Notification } from '@jupyterlab/apputils';

import type { Runicorn } from '../ui/context.js';

/** Open a tab that can do nothing to this page; false if the browser does not let us. */
function openTab(url: string): boolean {
  // `noopener` would hide from us whether there is a tab; the empty page gives up its opener before it goes on.
  const tab = window.open('about:blank', '_blank');
  if (tab === null) {
    return false;
  }
  tab.opener = null;
  tab.location.replace(url);
  return true;
}

/**
 * Show a viewer's page in a browser tab.
 *
 * Browsers let a page open a tab only within seconds of a press; where starting a viewer took
 * longer, the person is asked to press once more.
 */
export function openExternally(runicorn: Runicorn, host: string, url: string): void {
  const { trans } = runicorn;
  if (!openTab(url)) {
    Notification.info(trans.__('The viewer of %1 is ready.', host), {
      autoClose: false,
      actions: [{ label: trans.__('Open in a browser tab'), callback: () => void openTab(url) }]
    });
  }
}
