/** Where the panel leads to. */

import type { Run } from '../api/client.js';

/** What the panel leads to; null where there is no room for it. */
export interface IPanelActions {
  /** Show the viewer of a connection. */
  openViewer: (connectionId: string) => void;
  /** Show a run's page in the tab of its viewer. */
  openRun: (run: Run) => void;
  /** Show the runs of all servers. */
  showRuns: (() => void) | null;
  /** Show the machines of all servers. */
  showMachines: (() => void) | null;
  /** Show the log of a connection's viewer in a tab. */
  showLog: ((connectionId: string) => void) | null;
}
