/** Runs as points of a scatter plot. Pure functions. */

import type { Run } from '../../api/client.js';
import type { IAxis } from './axes.js';

/** How many points are drawn; the newest ones. */
export const MOST_POINTS = 10_000;

/** A run that is drawn. */
export interface IPoint {
  run: Run;
  x: number;
  y: number;
  color: string;
}

/**
 * Return the runs that have a value on both axes, from the left to the right.
 *
 * @returns The points that are drawn, and how many there would be.
 */
export function pointsOf(
  runs: readonly Run[],
  x: IAxis,
  y: IAxis,
  colorOf: (run: Run) => string
): { points: readonly IPoint[]; count: number } {
  const points: IPoint[] = [];
  for (const run of runs) {
    const [atX, atY] = [x.at(run), y.at(run)];
    if (atX !== null && atY !== null) {
      points.push({ run, x: atX, y: atY, color: colorOf(run) });
    }
  }
  const drawn = points.slice(0, MOST_POINTS).sort((a, b) => a.x - b.x || a.y - b.y);
  return { points: drawn, count: points.length };
}

/**
 * Find the place that is nearest to another one.
 *
 * @param places - Left and top of each, one after the other.
 * @param reach - How far away it may be.
 * @returns Its index; null where none is within reach.
 */
export function nearestPlace(
  places: ArrayLike<number>,
  left: number,
  top: number,
  reach: number
): number | null {
  let found: number | null = null;
  let least = reach ** 2;
  for (let at = 0; at < places.length; at += 2) {
    const distance = (places[at]! - left) ** 2 + (places[at + 1]! - top) ** 2;
    if (distance <= least) {
      least = distance;
      found = at / 2;
    }
  }
  return found;
}
