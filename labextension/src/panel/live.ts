/** What is shown of the runs that go on: pure functions. */

import type { Run } from '../api/client.js';
import { foremostOf, primaryOf } from '../curves/Sparkline.js';

/** How many runs a card has room for. */
const MOST_LINES = 3;

/** What of the runs that go on is shown of each connection. */
export interface ILiveRuns {
  /** The newest. */
  shown: readonly Run[];
  /** How many more there are. */
  more: number;
}

/** Choose what is shown of each connection, of runs of which the newest come first. */
export function byConnection(runs: readonly Run[]): ReadonlyMap<string, ILiveRuns> {
  const found = new Map<string, ILiveRuns>();
  for (const run of runs) {
    const { shown, more } = found.get(run.connection_id) ?? { shown: [], more: 0 };
    const hasRoom = shown.length < MOST_LINES;
    found.set(run.connection_id, {
      shown: hasRoom ? [...shown, run] : shown,
      more: hasRoom ? more : more + 1
    });
  }
  return found;
}

/** The metric that is drawn of a run. */
export function metricOf(run: Run): string {
  return primaryOf(run, foremostOf(Object.keys(run.metrics).sort()));
}
