/** The columns of the table of runs: its head, cells, widths and sorting follow from this list. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Run, MetricValue } from '../api/client.js';
import type { Dates } from '../ui/dates.js';
import { runStatusLabel } from '../ui/messages.js';
import { formatDuration, formatMetric, nameOf, secondsOf, serverOf } from './table.js';

/** What the cells need beside their run. */
export interface ICellContext {
  trans: TranslationBundle;
  dates: Dates;
  /** The metric of the last column, or ''. */
  metric: string;
}

/** A column. */
interface IColumn {
  id: string;
  /** Return the head's text. */
  label: (trans: TranslationBundle, metric: string) => string;
  /** The width as a track of a CSS grid. */
  width: string;
  /** Whether the cells are numbers: ranged right, with figures of one width. */
  isNumber?: boolean;
  /** Return what the rows are sorted by; null sorts last. */
  value: (run: Run, metric: string, now: Date) => string | number | null;
  /** Return a cell's text, and what is drawn if that is more than the text. */
  render: (run: Run, context: ICellContext) => [text: string, content?: React.ReactNode];
}

/** All columns, from left to right; the last is shown only where a metric is chosen. */
const COLUMNS = [
  {
    id: 'status',
    label: trans => trans.__('Status'),
    width: '120px',
    value: run => run.status,
    render: (run, { trans }) => {
      const label = runStatusLabel(trans, run.status);
      const content = (
        <>
          <span className="rj-Dot" aria-hidden />
          {label}
        </>
      );
      return [label, content];
    }
  },
  {
    id: 'name',
    label: trans => trans.__('Run'),
    width: 'minmax(160px, 3fr)',
    value: run => run.name ?? run.run_id,
    render: run => {
      const [name, path] = nameOf(run);
      const content = (
        <>
          {name}
          {path && <span className="rj-Quiet"> {path}</span>}
        </>
      );
      return [[name, path].filter(Boolean).join('\n'), content];
    }
  },
  {
    id: 'server',
    label: trans => trans.__('Server'),
    width: 'minmax(120px, 2fr)',
    value: run => serverOf(run),
    render: run => [serverOf(run)]
  },
  {
    id: 'created',
    label: trans => trans.__('Started'),
    width: '165px',
    value: run => (run.created_at ? Date.parse(run.created_at) : null),
    render: (run, { dates }) => [dates.day(run.created_at)]
  },
  {
    id: 'duration',
    label: trans => trans.__('Duration'),
    width: '100px',
    isNumber: true,
    value: (run, _, now) => secondsOf(run, now),
    render: run => [formatDuration(secondsOf(run, new Date()))]
  },
  {
    id: 'metric',
    label: (_, metric) => metric,
    width: '120px',
    isNumber: true,
    value: (run, metric) => numberOf(run.metrics[metric]),
    render: (run, { metric }) => [formatMetric(run.metrics[metric])]
  }
] as const satisfies readonly IColumn[];

/** The name of a column. */
export type ColumnId = (typeof COLUMNS)[number]['id'];

/** The order of the table. */
export interface IOrder {
  column: ColumnId;
  descending: boolean;
}

/** The order that the server gives: the newest first. */
export const NEWEST_FIRST: IOrder = { column: 'created', descending: true };

/** Return the columns to show. */
export function columnsFor(metric: string): ReadonlyArray<IColumn & { id: ColumnId }> {
  return COLUMNS.filter(column => column.id !== 'metric' || metric !== '');
}

/** Return the tracks of the table's grid: the check box, then the columns. */
export function gridOf(metric: string): string {
  return ['32px', ...columnsFor(metric).map(column => column.width)].join(' ');
}

function numberOf(value: MetricValue | undefined): number | null {
  const number = Number(value);
  return Number.isNaN(number) ? null : number;
}

/** Sort runs; those that have nothing to compare come last either way. */
export function sorted(runs: readonly Run[], order: IOrder, metric: string): readonly Run[] {
  if (order.column === NEWEST_FIRST.column && order.descending === NEWEST_FIRST.descending) {
    return runs;
  }
  const now = new Date();
  const column: IColumn = COLUMNS.find(each => each.id === order.column)!;
  const sign = order.descending ? -1 : 1;
  return runs
    .map(run => ({ run, value: column.value(run, metric, now) }))
    .sort((a, b) => {
      if (a.value === null || b.value === null) {
        return Number(a.value === null) - Number(b.value === null);
      }
      return typeof a.value === 'string' || typeof b.value === 'string'
        ? sign * String(a.value).localeCompare(String(b.value))
        : sign * (a.value - b.value);
    })
    .map(item => item.run);
}
