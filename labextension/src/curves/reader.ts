/** Reads what is drawn: of each run only what is new, and nothing while nobody looks. */

import type { RunCurves } from '../api/client.js';
import { CoalescedTask } from '../state/coalesce.js';
import { keyOfRun } from '../state/runs.js';
import { extended, type ICurve } from './curve.js';
import type { CurveRun, CurvesClient } from './host.js';

/** How a reader reads. */
export interface IReading {
  /** How many steps of a metric are asked for at most. */
  points: number;
  /** Whether all runs are asked for by one request; else it is one a connection: one that hangs delays no other. */
  isTogether: boolean;
}

/** More steps than a chart has pixels. */
const FOR_CHARTS: IReading = { points: 1000, isTogether: false };
/** A run with so many times more is thinned out again: it is read anew. */
const MOST_TIMES = 4;

/** What to read. */
export interface IWish {
  runs: readonly CurveRun[];
  metrics: readonly string[];
}

/** What is known of one run. */
interface IKnown {
  /** The run as it was when it was read. */
  run: CurveRun;
  metrics: readonly string[];
  curve: ICurve;
  /** When it was read. */
  asOf: Date;
}

/** Why what is drawn of a connection's runs is not current. */
export interface IProblem {
  connection: string;
  host: string;
  reason: unknown;
  asOf: Date | null;
}

/** Reads curves; one reading of a connection at a time. */
export class CurveReader {
  /**
   * @param client - Asks the server.
   * @param changed - Called after anything that it gives has changed.
   * @param reading - How much is asked for at a time.
   */
  constructor(
    private readonly client: CurvesClient,
    private readonly changed: () => void,
    private readonly reading: IReading = FOR_CHARTS
  ) {}

  /** Whether something is being read. */
  get isReading(): boolean {
    return this._reading.isRunning;
  }

  /** What cannot be read now, of each connection. */
  get problems(): readonly IProblem[] {
    return [...this._problems.values()];
  }

  /** What is known of a run; null: nothing yet. */
  curveOf(run: CurveRun): ICurve | null {
    return this._known.get(keyOfRun(run))?.curve ?? null;
  }

  /** Read what is wished, as soon as somebody looks. */
  wish(wish: IWish): void {
    this._wish = wish;
    this._readSoon();
  }

  /** Say whether anybody looks. */
  look(isSeen: boolean): void {
    this._isSeen = isSeen;
    this._readSoon();
  }

  /** Try again what could not be read, now that something has changed. */
  retry(): void {
    if (this._problems.size > 0) {
      this._readSoon();
    }
  }

  /** Read no more. */
  dispose(): void {
    this._isSeen = false;
    this._wish = { runs: [], metrics: [] };
    this._abort.abort();
  }

  private _readSoon(): void {
    if (this._isSeen && this._stale().length > 0) {
      void this._reading.run();
    }
  }

  /** The runs of which there may be something new. */
  private _stale(): CurveRun[] {
    const { runs, metrics } = this._wish;
    return runs.filter(run => {
      const known = this._known.get(keyOfRun(run));
      if (!known || metrics.some(name => !known.metrics.includes(name))) {
        return true;
      }
      // What ended by the time that it was read stays as it is.
      return known.run !== run && (known.run.status === 'running' || run.status === 'running');
    });
  }

  private async _read(): Promise<void> {
    const parts = new Map<string, CurveRun[]>();
    for (const run of this._isSeen ? this._stale() : []) {
      const part = this.reading.isTogether ? '' : run.connection_id;
      parts.set(part, [...(parts.get(part) ?? []), run]);
    }
    for (const connection of this._problems.keys()) {
      if (!this._wish.runs.some(run => run.connection_id === connection)) {
        this._problems.delete(connection);
      }
    }
    await Promise.all([...parts.values()].map(runs => this._readPart(runs, this._wish.metrics)));
  }

  /** Read some runs by one request. */
  private async _readPart(runs: readonly CurveRun[], metrics: readonly string[]): Promise<void> {
    const signal = this._abort.signal;
    const points = this.reading.points * metrics.length;
    const bases = runs.map(run => this._base(run, metrics, points));
    const keys = runs.map(({ connection_id, run_id }, at) => ({
      connection_id,
      run_id,
      since_step: bases[at]?.steps.at(-1) ?? null,
      version: bases[at]?.steps.length ? bases[at].version : null
    }));
    try {
      const answer = await this.client.readCurves(keys, metrics, { points, signal });
      answer.runs.forEach((curve, at) => this._take(runs[at]!, curve, bases[at]!, metrics));
      const failed = new Set(
        answer.runs.filter(curve => curve.error !== null).map(curve => curve.connection_id)
      );
      connectionsOf(runs)
        .filter(connection => !failed.has(connection))
        .forEach(connection => this._problems.delete(connection));
    } catch (reason) {
      if (signal.aborted) {
        return;
      }
      for (const connection of connectionsOf(runs)) {
        this._fail(
          runs.find(run => run.connection_id === connection)!,
          reason
        );
      }
    }
    this.changed();
  }

  /** What is known of a run that can be gone on with. */
  private _base(run: CurveRun, metrics: readonly string[], points: number): ICurve | null {
    const known = this._known.get(keyOfRun(run));
    const isOf = known && metrics.every(name => known.metrics.includes(name));
    return isOf && known.curve.steps.length < MOST_TIMES * points ? known.curve : null;
  }

  private _take(
    run: CurveRun,
    answer: RunCurves,
    base: ICurve | null,
    metrics: readonly string[]
  ): void {
    if (answer.error !== null) {
      this._fail(run, answer.error);
      return;
    }
    const curve = extended(base, answer, metrics);
    this._known.set(keyOfRun(run), { run, metrics, curve, asOf: new Date() });
  }

  private _fail(run: CurveRun, reason: unknown): void {
    const { connection_id: connection, host } = run;
    const asOf = this._known.get(keyOfRun(run))?.asOf ?? null;
    this._problems.set(connection, { connection, host, reason, asOf });
  }

  private _wish: IWish = { runs: [], metrics: [] };
  private _isSeen = false;
  private readonly _abort = new AbortController();
  private readonly _known = new Map<string, IKnown>();
  private readonly _problems = new Map<string, IProblem>();
  private readonly _reading = new CoalescedTask(
    () => this._read(),
    () => this.changed()
  );
}

function connectionsOf(runs: readonly CurveRun[]): string[] {
  return [...new Set(runs.map(run => run.connection_id))];
}
