/** What differs between compared runs: one reading at a time, and its figures as people read them. */

import type {
  MetricComparison,
  ParamValue,
  Run,
  RunicornRemoteClient,
  RunsCompareResponse
} from '../api/client.js';
import { CoalescedTask } from '../state/coalesce.js';
import { keyOfRun } from '../state/runs.js';
import { formatNumber, WRITTEN_DIGITS } from '../ui/numbers.js';

/** How many runs the server compares at once. */
export const MOST_COMPARED = 200;

/** Which way of a metric is better; null where nobody says. */
export type Mode = MetricComparison['mode'];

/** An answer, and the runs that it is about, in the order of its values: the baseline is the first. */
export interface IFoundDifferences {
  runs: readonly Run[];
  answer: RunsCompareResponse;
}

/** Reads what differs; of the wishes that come during a reading only the last is read, after it. */
export class DifferencesReader {
  constructor(
    private readonly client: Pick<RunicornRemoteClient, 'compareRuns'>,
    private readonly found: (found: IFoundDifferences) => void,
    private readonly failed: (reason: unknown) => void
  ) {}

  /** Read what differs between two or more runs, the first of which is the baseline. */
  read(runs: readonly Run[]): Promise<void> {
    this._wish = runs;
    return this._reading.run();
  }

  /** Read no more. */
  dispose(): void {
    this._wish = null;
    this._abort.abort();
  }

  private async _read(): Promise<void> {
    const { signal } = this._abort;
    const runs = this._wish;
    if (runs === null) {
      return;
    }
    try {
      const answer = await this.client.compareRuns(runs, { signal });
      if (!signal.aborted) {
        this.found({ runs, answer });
      }
    } catch (reason) {
      if (!signal.aborted) {
        this.failed(reason);
      }
    }
  }

  private _wish: readonly Run[] | null = null;
  private readonly _abort = new AbortController();
  private readonly _reading = new CoalescedTask(() => this._read());
}

/** Put the baseline first; without one of that key, the runs stay as they are. */
export function baselineFirst(runs: readonly Run[], baseline: string): readonly Run[] {
  const first = runs.find(run => keyOfRun(run) === baseline);
  return first ? [first, ...runs.filter(run => run !== first)] : runs;
}

/** What is the same in all of these runs, by name. */
export function equalParams({ runs, answer }: IFoundDifferences): Array<[string, ParamValue]> {
  const differing = new Set(answer.differing.map(each => each.name));
  return Object.entries(runs[0]!.params).filter(([name]) => !differing.has(name));
}

/** The value of a parameter as it was written; texts are told from other values by nothing but themselves. */
export function formatParam(value: ParamValue | undefined): string {
  return value === null ? 'null' : formatNumber(value, WRITTEN_DIGITS);
}

/** A difference with its sign; '' where there is none. */
export function formatDifference(difference: number | null): string {
  return difference === null || difference === 0 ? '' : signed(difference, formatNumber);
}

/** A percentage with its sign, in three digits; '' where there is none. */
export function formatPercent(percent: number | null): string {
  return percent === null || percent === 0
    ? ''
    : `${signed(percent, value => formatNumber(value, 3))} %`;
}

function signed(value: number, format: (value: number) => string): string {
  return `${value < 0 ? '−' : '+'}${format(Math.abs(value))}`;
}

/** Say whether a difference is for the better; null where nobody knows, or there is none. */
export function verdictOf(difference: number | null, mode: Mode): 'better' | 'worse' | null {
  if (difference === null || difference === 0 || mode === null) {
    return null;
  }
  return difference > 0 === (mode === 'max') ? 'better' : 'worse';
}
