/** Runs as lines over parallel axes: where they are, which are meant, which pass. Pure functions. */

import type { Run } from '../../api/client.js';
import { placeOf, type IAxis } from './axes.js';

/** How many lines are drawn; the newest ones. */
export const MOST_DRAWN = 2000;
/** What is free around the axes, in CSS pixels: for their names and ends. */
export const MARGINS = { top: 40, bottom: 22, side: 64 };

/** A run that is drawn. */
export interface IRunLine {
  run: Run;
  color: string;
  /** Where it is on each axis, 0 to 1; null where it has no value. */
  places: ReadonlyArray<number | null>;
  /** Whether it lies in all parts that were marked. */
  isPassing: boolean;
}

/** The parts of axes that were marked, by their columns' ids: from and to, in the axis' own numbers. */
export type Brushes = ReadonlyMap<string, readonly [from: number, to: number]>;

/** The room for the lines, in CSS pixels. */
export interface ISize {
  width: number;
  height: number;
}

/**
 * Return the runs that have a value on two axes, the greatest of the last axis first.
 *
 * @returns The lines that are drawn, and how many there would be.
 */
export function linesOf(
  runs: readonly Run[],
  axes: readonly IAxis[],
  colorOf: (run: Run) => string,
  brushes: Brushes
): { lines: readonly IRunLine[]; count: number } {
  const lines: IRunLine[] = [];
  for (const run of runs) {
    const numbers = axes.map(axis => axis.at(run));
    if (numbers.filter(value => value !== null).length < 2) {
      continue;
    }
    lines.push({
      run,
      color: colorOf(run),
      places: axes.map((axis, at) => (numbers[at] === null ? null : placeOf(axis, numbers[at]!))),
      isPassing: axes.every((axis, at) => isWithin(numbers[at]!, brushes.get(axis.column.id)))
    });
  }
  const last = (line: IRunLine): number => line.places.at(-1) ?? -1;
  const drawn = lines.slice(0, MOST_DRAWN).sort((a, b) => last(b) - last(a));
  return { lines: drawn, count: lines.length };
}

function isWithin(value: number | null, brush: readonly [number, number] | undefined): boolean {
  return !brush || (value !== null && value >= brush[0] && value <= brush[1]);
}

/** Return where an axis is, in CSS pixels from the left. */
export function leftOf(axis: number, count: number, { width }: ISize): number {
  const { side } = MARGINS;
  return count === 1 ? width / 2 : side + (axis * (width - 2 * side)) / (count - 1);
}

/** Return where a place is, in CSS pixels from the top. */
export function topOf(place: number, { height }: ISize): number {
  const { top, bottom } = MARGINS;
  return top + (1 - place) * (height - top - bottom);
}

/** Return the place, 0 to 1, that is so many CSS pixels from the top. */
export function placeAt(top: number, { height }: ISize): number {
  const place = 1 - (top - MARGINS.top) / (height - MARGINS.top - MARGINS.bottom);
  return Math.max(0, Math.min(place, 1));
}

/** Return the axis that is nearest to where the mouse is; null where none is within reach. */
export function nearestAxis(
  left: number,
  count: number,
  size: ISize,
  reach: number
): number | null {
  const distances = Array.from({ length: count }, (_, at) =>
    Math.abs(leftOf(at, count, size) - left)
  );
  const at = distances.indexOf(Math.min(...distances));
  return at >= 0 && distances[at]! <= reach ? at : null;
}

/** Return the index of the line that is meant by the mouse; null where none is within reach. */
export function nearestLine(
  lines: readonly IRunLine[],
  left: number,
  top: number,
  size: ISize,
  reach: number
): number | null {
  const count = lines[0]?.places.length ?? 0;
  const [first, last] = [leftOf(0, count, size), leftOf(count - 1, count, size)];
  if (count < 2 || left < first || left > last) {
    return null;
  }
  const along = ((left - first) / (last - first)) * (count - 1);
  const before = Math.min(Math.floor(along), count - 2);
  const part = along - before;
  let found: number | null = null;
  let least = reach;
  lines.forEach(({ places }, at) => {
    const [a, b] = [places[before] ?? null, places[before + 1] ?? null];
    if (a !== null && b !== null) {
      const distance = Math.abs(topOf(a + (b - a) * part, size) - top);
      if (distance <= least) {
        least = distance;
        found = at;
      }
    }
  });
  return found;
}

/** Return the corners of a line, in pieces: a value that is missing parts it. */
export function cornersOf(
  line: IRunLine,
  size: ISize
): Array<Array<readonly [left: number, top: number]>> {
  const pieces: Array<Array<readonly [number, number]>> = [[]];
  line.places.forEach((place, at) => {
    if (place === null) {
      pieces.push([]);
    } else {
      pieces.at(-1)!.push([leftOf(at, line.places.length, size), topOf(place, size)]);
    }
  });
  return pieces.filter(piece => piece.length > 0);
}
