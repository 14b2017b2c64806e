/** The lines of the comparison: one reading at a time, and of runs that did not change none. */

import type { Run, RunicornRemoteClient } from '../api/client.js';
import { CoalescedTask } from '../state/coalesce.js';
import { namesOf, type ISeries } from './chart.js';
import { serverOf } from './table.js';

/** How many steps a line has at most: more than it has pixels. */
const POINTS = 1000;
/** How many runs are read at once; a browser has six requests for all of JupyterLab. */
const AT_ONCE = 4;

type Line = Omit<ISeries, 'name'>;

/** What to read: a metric of some runs, all of which have it. */
interface IWish {
  runs: readonly Run[];
  metric: string;
}

/** Reads lines; of the wishes that come during a reading only the last is read, after it. */
export class SeriesReader {
  constructor(
    private readonly client: Pick<RunicornRemoteClient, 'runMetrics'>,
    private readonly found: (metric: string, series: readonly ISeries[]) => void,
    private readonly failed: (reason: unknown) => void
  ) {}

  /** Read what is wished now. */
  read(wish: IWish): Promise<void> {
    if (wish.metric !== this._wish?.metric) {
      this._abort.abort();
      this._lines = new WeakMap();
    }
    this._wish = wish;
    return this._reading.run();
  }

  /** Read no more. */
  dispose(): void {
    this._wish = null;
    this._abort.abort();
  }

  private async _read(): Promise<void> {
    if (this._wish === null) {
      return;
    }
    const { runs, metric } = this._wish;
    const abort = (this._abort = new AbortController());
    const lines = this._lines;
    const queue = runs.filter(run => !lines.has(run));
    const readSome = async (): Promise<void> => {
      for (let run = queue.shift(); run; run = queue.shift()) {
        lines.set(run, await this._readLine(run, metric, abort.signal));
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, readSome));
      const names = namesOf(
        runs.map(run => ({ name: run.name ?? run.run_id, server: serverOf(run), id: run.run_id }))
      );
      if (!abort.signal.aborted) {
        this.found(
          metric,
          runs.map((run, index) => ({ name: names[index]!, ...lines.get(run)! }))
        );
      }
    } catch (reason) {
      if (!abort.signal.aborted) {
        abort.abort();
        this.failed(reason);
      }
    }
  }

  private async _readLine(run: Run, metric: string, signal: AbortSignal): Promise<Line> {
    // Commas stand between the names in the request.
    const wanted = metric.includes(',') ? undefined : [metric];
    const answer = await this.client.runMetrics(run, wanted, { points: POINTS, signal });
    return { steps: answer.steps, values: answer.metrics[metric] ?? [] };
  }

  private _wish: IWish | null = null;
  private _abort = new AbortController();
  /** What was read of the metric; a run that changed is another object. */
  private _lines = new WeakMap<Run, Line>();
  private readonly _reading = new CoalescedTask(() => this._read());
}
