/** Metrics of runs as lines: what an answer adds, and what is drawn of it. Pure functions. */

import type { RunCurves } from '../api/client.js';
import { harmless, quoted } from '../ui/csv.js';

/** What the horizontal axis is. */
export type Axis = 'step' | 'time' | 'relative';

/** What is known of a run's metrics: columns as long as `steps`. */
export interface ICurve {
  steps: readonly number[];
  /** Unix seconds. */
  times: ReadonlyArray<number | null>;
  metrics: Readonly<Record<string, ReadonlyArray<number | null>>>;
  /** The steps at which a metric was NaN or infinite. */
  notFinite: Readonly<Record<string, readonly number[]>>;
  version: string;
}

/** A line: in the order of `x`, null where the value is no finite number. */
export interface ILine {
  x: readonly number[];
  y: ReadonlyArray<number | null>;
}

/** Put to what is known what an answer adds to it; the answer is whole where nothing is known, or `reset`. */
export function extended(
  known: ICurve | null,
  answer: RunCurves,
  names: readonly string[]
): ICurve {
  const before = answer.reset ? null : known;
  // More was logged at the last step.
  const kept =
    before && answer.steps.length > 0 && before.steps.at(-1) === answer.steps[0]
      ? before.steps.length - 1
      : (before?.steps.length ?? 0);
  const nulls = (count: number): null[] => new Array<null>(count).fill(null);
  const metrics: Record<string, Array<number | null>> = {};
  const notFinite: Record<string, readonly number[]> = {};
  for (const name of names) {
    metrics[name] = [
      ...(before?.metrics[name]?.slice(0, kept) ?? nulls(kept)),
      ...(answer.metrics[name] ?? nulls(answer.steps.length))
    ];
    const bad = new Set([...(before?.notFinite[name] ?? []), ...(answer.not_finite[name] ?? [])]);
    notFinite[name] = [...bad];
  }
  return {
    steps: [...(before?.steps.slice(0, kept) ?? []), ...answer.steps],
    times: [...(before?.times.slice(0, kept) ?? []), ...answer.times],
    metrics,
    notFinite,
    version: answer.version
  };
}

/** Return the line of a metric. */
export function lineOf(curve: ICurve, metric: string, axis: Axis): ILine {
  const values = curve.metrics[metric] ?? [];
  const bad = new Set(curve.notFinite[metric]);
  const first = axis === 'relative' ? (curve.times.find(time => time !== null) ?? 0) : 0;
  const points: Array<[number, number | null]> = [];
  curve.steps.forEach((step, at) => {
    const value = values[at] ?? null;
    const x = axis === 'step' ? step : curve.times[at];
    if (typeof x === 'number' && (value !== null || bad.has(step))) {
      points.push([x - first, value]);
    }
  });
  if (axis !== 'step') {
    // A run that went back has later times at earlier steps.
    points.sort((a, b) => a[0] - b[0]);
  }
  return { x: points.map(point => point[0]), y: points.map(point => point[1]) };
}

/**
 * Smooth a line as TensorBoard does: by an exponential moving average without its bias to the beginning.
 *
 * @param weight - Of what was before, 0 (nothing is smoothed) to less than 1.
 */
export function smoothed(line: ILine, weight: number): ILine {
  if (weight <= 0) {
    return line;
  }
  let average = 0;
  let count = 0;
  const y = line.y.map(value => {
    if (value === null) {
      return null;
    }
    average = weight * average + (1 - weight) * value;
    count += 1;
    return average / (1 - weight ** count);
  });
  return { x: line.x, y };
}

/** Leave gaps where a logarithmic axis has no place for a value. */
export function positive(line: ILine): ILine {
  return { x: line.x, y: line.y.map(value => (value !== null && value > 0 ? value : null)) };
}

/** Lines over the same places: where one has no point it is undefined, and null where it has a gap. */
export type Aligned = [number[], ...Array<Array<number | null | undefined>>];

/** Put lines over the same places. */
export function aligned(lines: readonly ILine[]): Aligned {
  const all = new Float64Array(lines.reduce((count, line) => count + line.x.length, 0));
  let start = 0;
  for (const line of lines) {
    all.set(line.x, start);
    start += line.x.length;
  }
  all.sort();
  const places = [...all.filter((x, at) => at === 0 || x !== all[at - 1])];
  const columns = lines.map(line => {
    const column = new Array<number | null | undefined>(places.length).fill(undefined);
    line.x.forEach((x, at) => {
      column[indexFrom(places, x)] = line.y[at];
    });
    return column;
  });
  return [places, ...columns];
}

/**
 * Return the first and the last point that are needed to draw a line from one place to another.
 *
 * One on each side is out of sight: the line comes from there, and goes there.
 */
export function spanOf(line: ILine, from: number, to: number): [first: number, last: number] {
  const { x } = line;
  const beyond = indexFrom(x, to);
  return [
    Math.max(0, indexFrom(x, from) - 1),
    // At the very place is in sight.
    Math.min(x.length - 1, x[beyond] === to ? beyond + 1 : beyond)
  ];
}

/** Return the index of the first of some ascending numbers that is not less than one. */
function indexFrom(numbers: readonly number[], least: number): number {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < least) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** The values of lines as comma-separated text, as they were logged. */
export function csvOf(
  metric: string,
  curves: ReadonlyArray<{ name: string; curve: ICurve }>
): string {
  const rows = curves.flatMap(({ name, curve }) =>
    curve.steps.flatMap((step, at) => {
      const value = curve.metrics[metric]?.[at] ?? null;
      const isBad = curve.notFinite[metric]?.includes(step);
      return value === null && !isBad
        ? []
        : [[quoted(harmless(name)), step, curve.times[at] ?? '', value ?? ''].join()];
    })
  );
  return ['run,step,time,' + quoted(harmless(metric)), ...rows].join('\n') + '\n';
}
