/** What a viewer's tab or output has to show: a pure function of the state. */

import type { ConnectionInfo, Run } from '../api/client.js';
import type { RemoteStore } from '../state/store.js';
import { holdsViewer, type ViewerLocation } from '../state/viewerLocation.js';

/** What to show. */
export type View =
  /** The state is not known yet. */
  | { kind: 'waiting' }
  /** Nobody is connected to the host. */
  | { kind: 'absent' }
  /** The connection is being made. */
  | { kind: 'connecting'; connection: ConnectionInfo }
  /** Connected, but this viewer is not running. */
  | { kind: 'idle'; connection: ConnectionInfo }
  /** The viewer is about to run. */
  | { kind: 'starting'; connection: ConnectionInfo }
  /** The viewer is there. */
  | { kind: 'running'; connection: ConnectionInfo; url: string }
  /** It is there, but it does not answer. */
  | { kind: 'unresponsive'; connection: ConnectionInfo; url: string }
  /** It will be there again. */
  | { kind: 'reconnecting'; connection: ConnectionInfo; url: string | null }
  /** Its process is gone. */
  | { kind: 'crashed'; connection: ConnectionInfo };

/** Whether the page in the frame is there: being fetched, running, or silent for too long. */
export type PageState = 'loading' | 'loaded' | 'silent';

/** Return what to show for the viewer at a location. */
export function viewOf(store: Pick<RemoteStore, 'find' | 'isLoaded'>, at: ViewerLocation): View {
  const connection = store.find(at);
  if (!connection) {
    return store.isLoaded ? { kind: 'absent' } : { kind: 'waiting' };
  }
  const viewer = holdsViewer(connection, at) ? connection.viewer : null;
  if (connection.status === 'disconnected') {
    return { kind: 'absent' };
  }
  if (connection.status === 'connecting') {
    return { kind: 'connecting', connection };
  }
  if (connection.status === 'reconnecting' || viewer?.status === 'reconnecting') {
    return { kind: 'reconnecting', connection, url: viewer?.url ?? null };
  }
  if (viewer === null) {
    return { kind: 'idle', connection };
  }
  if (viewer.status === 'crashed') {
    return { kind: 'crashed', connection };
  }
  if (viewer.url === null || viewer.status !== 'running') {
    return { kind: 'starting', connection };
  }
  const kind = viewer.health === 'unresponsive' ? 'unresponsive' : 'running';
  return { kind, connection, url: viewer.url };
}

/** Pages of runs begin so. */
const RUN_PAGE = /^#!\/runs\/./;

/** Whether a place within a viewer is the page of a run. */
export function isRunPage(fragment: string): boolean {
  return RUN_PAGE.test(fragment);
}

/** Find the run whose page it is. */
export function runAt(runs: readonly Run[], fragment: string): Run | undefined {
  return runs.find(({ page }) => {
    const rest = fragment.startsWith(`#!${page}`) ? fragment[page.length + 2] : null;
    return rest === undefined || (rest !== null && '/?#'.includes(rest));
  });
}
