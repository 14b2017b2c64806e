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

/** The chart of some series. */
export function chartOf(
  metric: string,
  series: readonly ISeries[],
  words: { step: string; run: string }
): PartialJSONObject {
  const values = series.flatMap(({ name, steps, values }) =>
    // A value that is no number leaves a gap in the line.
    steps.map((step, index) => ({ run: name, step, value: values[index] ?? null }))
  );
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    width: 'container',
    height: 260,
    background: 'transparent',
    autosize: { type: 'fit', contains: 'padding' },
    data: { values },
    params: [{ name: 'zoom', select: 'interval', bind: 'scales' }],
    mark: { type: 'line', tooltip: true },
    encoding: {
      x: { field: 'step', type: 'quantitative', title: words.step },
      y: { field: 'value', type: 'quantitative', title: metric, scale: { zero: false } },
      color: {
        field: 'run',
        type: 'nominal',
        title: words.run,
        sort: series.map(item => item.name),
        legend: { orient: 'bottom', columns: 2, labelLimit: 400 }
      }
    }
  };
}
