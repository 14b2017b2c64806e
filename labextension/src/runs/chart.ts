/** One metric of several runs as a Vega-Lite chart: pure functions. */

import type { PartialJSONObject } from '@lumino/coreutils';

/** The MIME type of Vega-Lite that JupyterLab 4 draws. */
export const VEGA_LITE = 'application/vnd.vegalite.v5+json';

/** One metric of one run. */
export interface ISeries {
  /** What the legend calls it; unique among the series. */
  name: string;
  steps: readonly number[];
  values: ReadonlyArray<number | null>;
}

/** Give each series a name of its own: the run's, and its server's where runs have the same. */
export function namesOf(
  runs: ReadonlyArray<{ name: string; server: string; id: string }>
): string[] {
  const count = (text: string, of: (run: { name: string; server: string }) => string): number =>
    runs.filter(run => of(run) === text).length;
  return runs.map(run => {
    if (count(run.name, other => other.name) === 1) {
      return run.name;
    }
    const both = `${run.name} · ${run.server}`;
    return count(both, other => `${other.name} · ${other.server}`) === 1
      ? both
      : `${both} · ${run.id}`;
  });
}

/** What tells one line from another. */
export interface ILineStyle {
  color: string;
  /** Lengths of dashes and gaps in CSS pixels. */
  dash: readonly number[];
}

/** Each has a contrast of at least 3 to the background of Lab's light theme and of its dark one. */
const COLORS = [
  ...['#1f77b4', '#d1660a', '#2a8f3c', '#d64550', '#8a63c9'],
  ...['#a0694f', '#cf4f9f', '#7a7f86', '#8c8400', '#0f8f9c']
];
const DASHES: ReadonlyArray<readonly number[]> = [
  [1, 0],
  [8, 3],
  [2, 3],
  [9, 3, 2, 3]
];

/** How many lines can be told apart. */
export const MOST_LINES = COLORS.length * DASHES.length;

/** The style of a line: the colours are used up before the dashes. */
export function styleOf(index: number): ILineStyle {
  return {
    color: COLORS[index % COLORS.length]!,
    dash: DASHES[Math.floor(index / COLORS.length) % DASHES.length]!
  };
}

/**
 * The chart of some series, without a legend.
 *
 * The description of each line (`aria-label` in the SVG) is the name of its series.
 *
 * @param width - In CSS pixels.
 * @param height - In CSS pixels, axes included.
 */
export function chartOf(
  metric: string,
  series: readonly ISeries[],
  words: { step: string },
  width: number,
  height: number
): PartialJSONObject {
  const values = series.flatMap(({ name, steps, values }) =>
    // A value that is no number leaves a gap in the line.
    steps.map((step, index) => ({ run: name, step, value: values[index] ?? null }))
  );
  const domain = series.map(item => item.name);
  const styles = series.map((_, index) => styleOf(index));
  const run = { field: 'run', type: 'nominal' };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    width,
    height,
    background: 'transparent',
    autosize: { type: 'fit', contains: 'padding' },
    data: { values },
    params: [{ name: 'zoom', select: 'interval', bind: 'scales' }],
    mark: { type: 'line', tooltip: true },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: words.step },
      y: { field: 'value', type: 'quantitative', title: metric, scale: { zero: false } },
      color: { ...run, scale: { domain, range: styles.map(style => style.color) }, legend: null },
      strokeDash: {
        ...run,
        scale: { domain, range: styles.map(style => [...style.dash]) },
        legend: null
      },
      description: run
    }
  };
}
