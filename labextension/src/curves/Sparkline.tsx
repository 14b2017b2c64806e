/** A small curve of a run: in a row of the table, and in the card of its connection. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Run } from '../api/client.js';
import { formatNumber } from '../ui/numbers.js';
import { lineOf, type ICurve } from './curve.js';
import type { CurveReader } from './reader.js';

const WIDTH = 96;
const HEIGHT = 20;
const MARGIN = 2;

/** Gives the runs what was read; another object whenever something came. */
export const SparksContext = React.createContext<{ reader: CurveReader } | null>(null);

/** Return which of these metrics is drawn where nobody has chosen: a loss, if there is one; '' for none. */
export function foremostOf(metrics: readonly string[]): string {
  return metrics.find(name => /loss/i.test(name)) ?? metrics[0] ?? '';
}

/** Return the metric whose curve stands for a run: its primary one, where it says so; else the chosen one. */
export function primaryOf(run: Run, chosen: string): string {
  const metric = run.best?.metric;
  return metric !== undefined && metric in run.metrics ? metric : chosen;
}

/** A run's small curve. */
export function Sparkline(props: {
  run: Run;
  metric: string;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { run, metric, trans } = props;
  const curve = React.useContext(SparksContext)?.reader.curveOf(run) ?? null;
  return curve && <Drawn {...{ curve, metric, trans }} />;
}

const Drawn = React.memo(function Drawn(props: {
  curve: ICurve;
  metric: string;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { trans } = props;
  const { x, y } = lineOf(props.curve, props.metric, 'step');
  const values = y.filter((value): value is number => value !== null);
  if (values.length === 0) {
    return null;
  }
  const least = values.reduce((a, b) => Math.min(a, b));
  const greatest = values.reduce((a, b) => Math.max(a, b));
  const label = trans.__(
    '%1: last %2, least %3, greatest %4',
    props.metric,
    ...[values.at(-1)!, least, greatest].map(value => formatNumber(value))
  );
  return (
    <svg className="rj-Spark" role="img" aria-label={label} width={WIDTH} height={HEIGHT}>
      <title>{label}</title>
      <path d={pathOf(x, y, least, greatest)} />
    </svg>
  );
});

/** Return the path of a line; it begins anew after each gap. */
export function pathOf(
  x: readonly number[],
  y: ReadonlyArray<number | null>,
  least: number,
  greatest: number
): string {
  const [first, last] = [x[0] ?? 0, x.at(-1) ?? 0];
  const place = (value: number, from: number, to: number, size: number): string =>
    (MARGIN + (from === to ? 0.5 : (value - from) / (to - from)) * (size - 2 * MARGIN)).toFixed(1);
  let isGap = true;
  return x
    .map((step, at) => {
      const value = y[at] ?? null;
      const command = isGap ? 'M' : 'L';
      isGap = value === null;
      // A point by itself is drawn too, by the line's round end.
      const end = isGap || command === 'L' ? '' : 'h0';
      return value === null
        ? ''
        : `${command}${place(step, first, last, WIDTH)} ${place(-value, -greatest, -least, HEIGHT)}${end}`;
    })
    .join('');
}
