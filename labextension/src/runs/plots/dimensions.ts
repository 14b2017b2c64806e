/** What runs are drawn by: what there is to choose, and what is chosen as long as nobody does. Pure functions. */

import type { Run } from '../../api/client.js';
import { columnOf } from '../columns.js';
import { namesIn } from '../filter.js';

/** How many runs are looked at for what there is; the newest ones. */
const MOST_READ = 2000;
/** How many parameters parallel coordinates begin with. */
const FIRST_AXES = 5;
/** How many axes parallel coordinates have at most. */
export const MOST_AXES = 12;

/** What there is to choose, by kind: ids of columns. */
export interface IDimensions {
  param: readonly string[];
  /** Last values, and best ones. */
  metric: readonly string[];
  summary: readonly string[];
  fact: readonly string[];
}

/** What a person has chosen: ids of columns. */
export interface IPlotChoice {
  x: string;
  y: string;
  /** What the colours tell. */
  color: string;
  /** The axes of parallel coordinates, from the left; `y` comes after them. */
  axes: readonly string[];
}

/** Return what the runs can be drawn by. */
export function dimensionsOf(runs: readonly Run[]): IDimensions {
  const names = namesIn(runs.slice(0, MOST_READ));
  const idsOf = (kind: keyof typeof names): string[] => names[kind].map(name => `${kind}.${name}`);
  return {
    param: idsOf('param'),
    metric: [...idsOf('metric'), ...idsOf('best')],
    summary: idsOf('summary'),
    fact: ['server', 'duration', 'step', 'status', 'project']
  };
}

/**
 * Return what is drawn at first: parameters that differ, against the chosen metric.
 *
 * @param metric - The chosen metric, or ''.
 */
export function firstChoice(
  runs: readonly Run[],
  params: readonly string[],
  metric: string
): IPlotChoice {
  const differing = params.filter(id => valuesOf(runs, id).size > 1);
  const isNumeric = (id: string): boolean =>
    [...valuesOf(runs, id)].every(value => typeof value === 'number');
  return {
    x: differing.find(isNumeric) ?? differing[0] ?? params[0] ?? 'duration',
    y: metric === '' ? 'step' : `metric.${metric}`,
    color: 'server',
    axes: differing.slice(0, FIRST_AXES)
  };
}

/** Two of a column's values, or fewer where there are not so many. */
function valuesOf(runs: readonly Run[], id: string): ReadonlySet<unknown> {
  const column = columnOf(id, '')!;
  const values = new Set<unknown>();
  for (const run of runs.slice(0, MOST_READ)) {
    const value = column.value(run);
    if (value !== undefined) {
      values.add(value);
    }
    if (values.size > 1) {
      break;
    }
  }
  return values;
}
