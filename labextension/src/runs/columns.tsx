/** The columns of the table of runs: its head, cells, widths and sorting follow from these. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { ParamValue, Run } from '../api/client.js';
import { Sparkline } from '../curves/Sparkline.js';
import type { Dates } from '../ui/dates.js';
import { runStatusLabel } from '../ui/messages.js';
import { formatNumber } from '../ui/numbers.js';
import { NO_PLACES, type GpuPlaces } from './gpuPlaces.js';
import { GPU } from './layout.js';
import { formatDuration, nameOf, secondsOf, serverOf } from './table.js';

/** What the cells need beside their run. */
export interface ICellContext {
  trans: TranslationBundle;
  dates: Dates;
}

/** What rows are sorted and grouped by; undefined where a run has no such value. */
export type CellValue = string | number | boolean | undefined;

/** A column. */
export interface IColumn {
  id: string;
  /** Return the head's text. */
  label: (trans: TranslationBundle) => string;
  /** In CSS pixels, as long as nobody made it wider or narrower. */
  width: number;
  /** Whether the cells are numbers: ranged right, with figures of one width. */
  isNumber?: boolean;
  /** Whether the greatest come first when the head is pressed once. */
  isDescending?: boolean;
  /** Its name in the language of `where`; without one, it cannot be asked for there. */
  where?: string;
  /** Return what the rows are sorted and grouped by. */
  value: (run: Run) => CellValue;
  /** Whether the cells are pictures, which nothing is sorted, grouped or exported by. */
  isPicture?: boolean;
  /** Return a cell's text, and what is drawn if that is more than the text. */
  render: (run: Run, context: ICellContext) => [text: string, content?: React.ReactNode];
  /** Return a cell's value in full, where its text may be shorter. */
  exact?: (run: Run) => string;
  /** Return the text of a number that is none of a run's own: a mean, a standard deviation. */
  format?: (value: number) => string;
}

const ofPlaces = new WeakMap<GpuPlaces, IColumn>();

/** Make the column that tells which GPUs a run is on; the same one for the same places. */
function gpuColumn(places: GpuPlaces): IColumn {
  let column = ofPlaces.get(places);
  if (!column) {
    column = {
      id: GPU,
      label: () => 'GPU',
      width: 70,
      value: run => places.numbersOf(run),
      render: (run, { trans }) => {
        const text = places.textOf(run);
        const content = places.numbersOf(run) !== undefined && (
          <button
            type="button"
            tabIndex={-1}
            className="rj-Link rj-Runs-gpu"
            title={trans.__('Show the machine')}
          >
            {text}
          </button>
        );
        return [text, content || text];
      }
    };
    ofPlaces.set(places, column);
  }
  return column;
}

/** What is known of every run, in the order in which it is offered. */
export const FACTS: readonly IColumn[] = [
  {
    id: 'status',
    label: trans => trans.__('Status'),
    width: 105,
    where: 'status',
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
    width: 200,
    where: 'name',
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
    width: 140,
    where: 'host',
    value: run => serverOf(run),
    render: run => [serverOf(run)]
  },
  gpuColumn(NO_PLACES),
  {
    id: 'created',
    label: trans => trans.__('Started'),
    width: 170,
    isDescending: true,
    where: 'created',
    value: run => (run.created_at ? Date.parse(run.created_at) : undefined),
    render: (run, { dates }) => [dates.day(run.created_at)]
  },
  {
    id: 'duration',
    label: trans => trans.__('Duration'),
    width: 90,
    isNumber: true,
    where: 'duration',
    value: run => secondsOf(run, new Date()) ?? undefined,
    render: run => [formatDuration(secondsOf(run, new Date()))],
    format: formatDuration
  },
  {
    id: 'step',
    label: trans => trans.__('Step'),
    width: 80,
    isNumber: true,
    where: 'step',
    value: run => run.step ?? undefined,
    render: run => [formatNumber(run.step)],
    format: value => formatNumber(value)
  },
  {
    id: 'project',
    label: trans => trans.__('Project'),
    width: 120,
    where: 'project',
    value: run => run.project ?? undefined,
    render: run => [run.project ?? '']
  },
  {
    id: 'tags',
    label: trans => trans.__('Tags'),
    width: 140,
    where: 'tag',
    value: run => run.tags.join(', ') || undefined,
    render: run => [run.tags.join(', ')]
  }
];

/** What runs have by names of their own: the kind before the dot is the one of `where`, but for `best`. */
const KINDS = {
  metric: (run: Run, name: string) => run.metrics[name],
  param: (run: Run, name: string) => run.params[name],
  summary: (run: Run, name: string) => run.summary[name],
  best: (run: Run, name: string) => (run.best?.metric === name ? run.best.value : undefined)
} as const;

/** A kind of names. */
export type Kind = keyof typeof KINDS;

/** The column that follows the metric which is chosen for the curves. */
export const CHOSEN_METRIC = 'metric';

/** The column with small curves. */
export const CURVE = 'curve';

/**
 * Return a column by its id; null where there is none, no metric is chosen, or no machine has a GPU.
 *
 * @param gpus - Which runs are on which GPUs; null where there are no GPUs.
 */
export function columnOf(
  id: string,
  metric: string,
  gpus: GpuPlaces | null = NO_PLACES
): IColumn | null {
  if (id === GPU) {
    return gpus && gpuColumn(gpus);
  }
  if (id === CURVE) {
    return curveColumn(metric);
  }
  if (id === CHOSEN_METRIC) {
    return metric === '' ? null : { ...namedColumn('metric', metric), id };
  }
  const dot = id.indexOf('.');
  const kind = id.slice(0, dot);
  return dot > 0 && kind in KINDS
    ? namedColumn(kind as Kind, id.slice(dot + 1))
    : (FACTS.find(column => column.id === id) ?? null);
}

function curveColumn(metric: string): IColumn {
  return {
    id: CURVE,
    label: trans => trans.__('Curve'),
    width: 112,
    isPicture: true,
    value: () => undefined,
    render: (run, { trans }) => ['', <Sparkline key={CURVE} {...{ run, trans, metric }} />]
  };
}

const named = new Map<string, IColumn>();

function namedColumn(kind: Kind, name: string): IColumn {
  const id = `${kind}.${name}`;
  let column = named.get(id);
  if (!column) {
    column = {
      id,
      label: trans => (kind === 'best' ? trans.__('%1, at its best', name) : name),
      width: 120,
      isNumber: true,
      ...(kind !== 'best' && { where: id }),
      value: run => valueOf(KINDS[kind](run, name)),
      render: run => [formatNumber(KINDS[kind](run, name))],
      exact: run => String(KINDS[kind](run, name) ?? ''),
      format: value => formatNumber(value)
    };
    named.set(id, column);
  }
  return column;
}

/** The words for numbers that are none in JSON. */
const NUMBER_WORDS = new Set<unknown>(['NaN', 'Infinity', '-Infinity']);

function valueOf(value: ParamValue | undefined): CellValue {
  const read = NUMBER_WORDS.has(value) ? Number(value) : value;
  return read === null || Number.isNaN(read) ? undefined : read;
}

const collator = new Intl.Collator();

/** Compare two values as the server sorts them: numbers, then texts, whichever way is sorted. */
export function compareValues(a: CellValue, b: CellValue, isDescending: boolean): number {
  const rank = Number(typeof a === 'string') - Number(typeof b === 'string');
  if (rank !== 0) {
    return rank;
  }
  const order = typeof a === 'string' ? collator.compare(a, b as string) : Number(a) - Number(b);
  // Of two infinities there is no difference.
  return (isDescending ? -1 : 1) * (order || 0);
}
