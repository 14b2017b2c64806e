/** What the table shows, as CSV and as a notebook's cell: pure functions. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Run } from '../api/client.js';
import { harmless, quoted } from '../ui/csv.js';
import type { CellValue, IColumn } from './columns.js';
import { asCondition } from './filter.js';
import { commonValue, figuresOf, groupRuns, hasMean } from './groups.js';
import type { ISortKey } from './layout.js';

/** Return runs as CSV (RFC 4180): a row each, numbers in full, times as RFC 3339. */
export function csvOfRuns(
  runs: readonly Run[],
  columns: readonly IColumn[],
  trans: TranslationBundle
): string {
  const heads = ['connection_id', 'run_id', ...columns.map(column => column.label(trans))];
  return table([
    heads,
    ...runs.map(run => [
      run.connection_id,
      run.run_id,
      ...columns.map(column => exported(column, column.value(run)))
    ])
  ]);
}

/** Return groups as CSV: a row each, with mean and standard deviation of what is a result. */
export function csvOfGroups(
  runs: readonly Run[],
  by: readonly IColumn[],
  columns: readonly IColumn[],
  trans: TranslationBundle
): string {
  const rest = columns.filter(column => !by.some(each => each.id === column.id));
  const heads = [
    ...by.map(column => column.label(trans)),
    'runs',
    ...rest.flatMap(column => {
      const label = column.label(trans);
      return hasMean(column) ? [`${label} mean`, `${label} std`] : [label];
    })
  ];
  return table([
    heads,
    ...groupRuns(runs, by).map(group => [
      ...by.map((column, index) => exported(column, group.by[index])),
      group.runs.length,
      ...rest.flatMap(column => {
        const figures = figuresOf(group.runs, column);
        return hasMean(column)
          ? [figures?.mean, figures?.std ?? undefined]
          : [exported(column, commonValue(group.runs, column))];
      })
    ])
  ]);
}

function exported(column: IColumn, value: CellValue): CellValue {
  return column.id === 'created' && typeof value === 'number'
    ? new Date(value).toISOString()
    : value;
}

function table(rows: ReadonlyArray<readonly CellValue[]>): string {
  return rows.map(row => `${row.map(field).join(',')}\r\n`).join('');
}

function field(value: CellValue): string {
  if (typeof value !== 'string') {
    return String(value ?? '');
  }
  const safe = harmless(value);
  return /[",\r\n]/.test(safe) ? quoted(safe) : safe;
}

/** Return the magic that lists in a notebook what the table shows; it sorts by one name only. */
export function cellOf(typed: string, sort: readonly ISortKey[], columns: IColumn[]): string {
  const where = asCondition(typed);
  const key = sort[0];
  const name = columns.find(column => column.id === key?.id)?.where;
  const order = key && name ? `${key.desc ? '-' : ''}${name}` : '';
  return [
    '%runicorn_runs --params',
    where && `--where ${shellWord(where)}`,
    order && order !== '-created' && `--sort=${shellWord(order)}`
  ]
    .filter(Boolean)
    .join(' ');
}

/** One word for IPython, which splits a line as a shell does. */
function shellWord(text: string): string {
  return /^[\w./=-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`;
}
