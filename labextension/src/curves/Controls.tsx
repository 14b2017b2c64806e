/** How the charts are drawn: the axes, smoothing, and which metrics. */

import React from 'react';

import { Choice } from '../ui/fields.js';
import { useCurvesHost } from './host.js';
import type { Axis } from './curve.js';
import type { Zoom } from './plot.js';

/** What the person has chosen. */
export interface ILook {
  axis: Axis;
  isLog: boolean;
  /** 0 to 0.99. */
  smoothing: number;
  zoom: Zoom;
}

/** What is drawn at first. */
export const FIRST_LOOK: ILook = { axis: 'step', isLog: false, smoothing: 0, zoom: null };

/** The controls. */
export function Controls(props: {
  look: ILook;
  onLook: (look: ILook) => void;
  /** The metrics that could be drawn too. */
  others: readonly string[];
  onAdd: (metric: string) => void;
}): JSX.Element {
  const { look, onLook, others } = props;
  const { trans } = useCurvesHost();
  const id = React.useId();
  return (
    <div className="rj-Curves-controls">
      <Choice
        label={trans.__('Horizontal axis')}
        value={look.axis}
        options={[
          ['step', trans.__('Step')],
          ['time', trans.__('Time')],
          ['relative', trans.__('Since its start')]
        ]}
        onChange={axis => onLook({ ...look, axis, zoom: null })}
      />
      <label>
        <input
          type="checkbox"
          checked={look.isLog}
          onChange={event => onLook({ ...look, isLog: event.target.checked })}
        />{' '}
        {trans.__('Logarithmic')}
      </label>
      <label htmlFor={id}>{trans.__('Smoothing')}</label>
      <input
        id={id}
        type="range"
        min={0}
        max={0.99}
        step={0.01}
        value={look.smoothing}
        onChange={event => onLook({ ...look, smoothing: Number(event.target.value) })}
      />
      <output className="rj-Quiet">{look.smoothing.toFixed(2)}</output>
      {others.length > 0 && (
        <Choice
          label={trans.__('Another metric')}
          value=""
          options={[['', trans.__('Add…')], ...others.map(name => [name, name] as const)]}
          onChange={name => name && props.onAdd(name)}
        />
      )}
      {look.zoom && (
        <button type="button" className="rj-Button" onClick={() => onLook({ ...look, zoom: null })}>
          {trans.__('Show all')}
        </button>
      )}
    </div>
  );
}
