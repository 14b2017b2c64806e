/** Runs with the same values as one row: what the server's `runs/groups` says, of all columns at once. */

import type { Run } from '../api/client.js';
import { compareValues, type CellValue, type IColumn } from './columns.js';

/** Some runs with the same values. */
export interface IGroup {
  key: string;
  /** The values, in the order of the columns that are grouped by. */
  by: readonly CellValue[];
  /** In the order of the list. */
  runs: readonly Run[];
}

/** What the finite numbers of a group come to. */
export interface IFigures {
  count: number;
  mean: number;
  /** Of a sample; null for a single value. */
  std: number | null;
}

/** Put the runs with the same values together, in the order of the values. */
export function groupRuns(runs: readonly Run[], columns: readonly IColumn[]): IGroup[] {
  const groups = new Map<string, { by: CellValue[]; runs: Run[] }>();
  for (const run of runs) {
    const by = columns.map(column => column.value(run));
    // 1 and "1" are not the same, and neither is nothing; JSON has no infinities.
    const key = JSON.stringify(by.map(value => [typeof value, String(value)]));
    const group = groups.get(key);
    if (group) {
      group.runs.push(run);
    } else {
      groups.set(key, { by, runs: [run] });
    }
  }
  return [...groups]
    .map(([key, group]) => ({ key, ...group }))
    .sort((a, b) => {
      for (const [index, value] of a.by.entries()) {
        const order = compareWithNothing(value, b.by[index]);
        if (order !== 0) {
          return order;
        }
      }
      return 0;
    });
}

function compareWithNothing(a: CellValue, b: CellValue): number {
  return a === undefined || b === undefined
    ? Number(a === undefined) - Number(b === undefined)
    : compareValues(a, b, false);
}

/** Return mean and standard deviation of a column's finite numbers; null where there are none. */
export function figuresOf(runs: readonly Run[], column: IColumn): IFigures | null {
  const values = runs
    .map(run => column.value(run))
    .filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
  const { length: count } = values;
  if (count === 0) {
    return null;
  }
  const mean = values.reduce((sum, value) => sum + value / count, 0);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, std: count === 1 ? null : Math.sqrt(squares / (count - 1)) };
}

/** Return the value that all have; undefined where they differ. */
export function commonValue(runs: readonly Run[], column: IColumn): CellValue {
  const first = column.value(runs[0]!);
  return runs.every(run => column.value(run) === first) ? first : undefined;
}

/** Whether a column's numbers are a result, of which a mean says something: no parameter, no time. */
export function hasMean(column: IColumn): boolean {
  return column.format !== undefined && !column.id.startsWith('param.');
}

/** Return what groups are sorted by in a column. */
export function groupValue(group: IGroup, column: IColumn): CellValue {
  if (column.id === 'created') {
    return column.value(group.runs[0]!); // the newest
  }
  return hasMean(column)
    ? (figuresOf(group.runs, column)?.mean ?? commonValue(group.runs, column))
    : commonValue(group.runs, column);
}

/** Return a group's text in a column: what all have, or mean ± standard deviation. */
export function groupText(group: IGroup, column: IColumn, textOf: (run: Run) => string): string {
  if (hasMean(column)) {
    const figures = figuresOf(group.runs, column);
    if (figures) {
      const { mean, std } = figures;
      return std === null
        ? column.format!(mean)
        : `${column.format!(mean)} ± ${column.format!(std)}`;
    }
  }
  return commonValue(group.runs, column) === undefined ? '' : textOf(group.runs[0]!);
}
