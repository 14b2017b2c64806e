/** The view of a log, which is loaded when one is to be seen. */

import { later } from './later.js';

/** `LogView`, in a chunk of its own. */
export const LaterLogView = later(async () => (await import('./LogView.js')).LogView);
