/** The charts as text, for whoever does not see them. */

import React from 'react';

import { formatNumber } from '../ui/numbers.js';
import { useCurvesHost } from './host.js';
import { csvOf, type ICurve } from './curve.js';

/** A table of each run's first, last, least and greatest value, and all values to copy. */
export function ValuesTable(props: {
  metric: string;
  curves: ReadonlyArray<{ name: string; curve: ICurve }>;
}): JSX.Element {
  const { metric, curves } = props;
  const { trans, copy } = useCurvesHost();
  const [isOpen, setOpen] = React.useState(false);
  const heads = [
    ...[trans.__('Run'), trans.__('Steps'), trans.__('Last step'), trans.__('Last value')],
    ...[trans.__('Least'), trans.__('Greatest'), trans.__('Not finite')]
  ];
  return (
    <details
      className="rj-Curves-values"
      onToggle={event => setOpen((event.target as HTMLDetailsElement).open)}
    >
      <summary>{trans.__('%1 as a table', metric)}</summary>
      {isOpen && (
        <>
          <button
            type="button"
            className="rj-Button"
            onClick={() => void copy(csvOf(metric, curves))}
          >
            {trans.__('Copy all values')}
          </button>
          <table>
            <thead>
              <tr>
                {heads.map(head => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {curves.map(({ name, curve }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  {cellsOf(curve, metric).map((cell, at) => (
                    <td key={at} title={String(cell)}>
                      {formatNumber(cell)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </details>
  );
}

function cellsOf(curve: ICurve, metric: string): Array<number | ''> {
  const points = curve.steps.flatMap((step, at) => {
    const value = curve.metrics[metric]?.[at];
    return typeof value === 'number' ? [{ step, value }] : [];
  });
  const bad = curve.notFinite[metric]?.length ?? 0;
  const last = points.at(-1);
  if (!last) {
    return [0, '', '', '', '', bad];
  }
  const values = points.map(point => point.value);
  return [
    points.length,
    last.step,
    last.value,
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
    bad
  ];
}
