/** What the colours of a plot mean. */

import React from 'react';

import { useRunicorn } from '../../ui/shared.js';
import { MOST_WORDS, type IColoring } from './coloring.js';

/** The legend. */
export function PlotLegend(props: { label: string; coloring: IColoring }): JSX.Element {
  const { label, coloring } = props;
  const { trans } = useRunicorn();
  const { words, ramp } = coloring;
  if (ramp) {
    const background = `linear-gradient(to right, ${ramp.colors.join(', ')})`;
    return (
      <p className="rj-Plot-legend rj-Quiet">
        {label}: {ramp.least}
        <span className="rj-Plot-ramp" style={{ background }} aria-hidden />
        {ramp.greatest}
      </p>
    );
  }
  const rest = words.length > MOST_WORDS ? trans.__('others') : trans.__('not given');
  return (
    <ul className="rj-Plot-legend rj-Quiet" aria-label={label}>
      {words.map(({ color, text, count }) => (
        <li key={text ?? ''} title={text ?? rest}>
          <span className="rj-Plot-swatch" style={{ background: color }} aria-hidden />
          <span className="rj-Ellipsis">{text ?? rest}</span> ({count})
        </li>
      ))}
    </ul>
  );
}
