/** What a plot is drawn by: which plot, its axes, and what its colours tell. */

import { closeIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { Choice, Field, IconButton } from '../../ui/fields.js';
import { useRunicorn } from '../../ui/shared.js';
import { columnOf } from '../columns.js';
import { MOST_AXES, type IDimensions, type IPlotChoice } from './dimensions.js';

/** Which plot. */
export type PlotKind = 'scatter' | 'parallel';

/** How many names of one kind are listed. */
const MOST_LISTED = 300;

/** What is chosen, and from what. */
export interface IPlotControlsProps {
  kind: PlotKind;
  setKind: (kind: PlotKind) => void;
  dimensions: IDimensions;
  choice: IPlotChoice;
  choose: (change: Partial<IPlotChoice>) => void;
}

/** Return what a column is called; its id where nothing is known of it. */
export function labelOf(id: string, trans: TranslationBundle): string {
  return columnOf(id, '')?.label(trans) ?? id;
}

/** The controls. */
export function PlotControls(props: IPlotControlsProps): JSX.Element {
  const { kind, choice, choose, dimensions } = props;
  const { trans } = useRunicorn();
  return (
    <div className="rj-Curves-controls">
      <Choice
        label={trans.__('Kind')}
        value={kind}
        options={[
          ['scatter', trans.__('Scatter plot')],
          ['parallel', trans.__('Parallel coordinates')]
        ]}
        onChange={props.setKind}
      />
      {kind === 'scatter' ? (
        <DimensionChoice
          label={trans.__('Horizontal axis')}
          value={choice.x}
          dimensions={dimensions}
          onChange={x => choose({ x })}
        />
      ) : (
        <Axes {...props} />
      )}
      <DimensionChoice
        label={kind === 'scatter' ? trans.__('Vertical axis') : trans.__('Last axis')}
        value={choice.y}
        dimensions={dimensions}
        onChange={y => choose({ y })}
      />
      <DimensionChoice
        label={trans.__('Colour')}
        value={choice.color}
        dimensions={dimensions}
        onChange={color => choose({ color })}
      />
    </div>
  );
}

/** The axes before the last one: each can be taken away, others put to them. */
function Axes(props: IPlotControlsProps): JSX.Element {
  const { choice, choose, dimensions } = props;
  const { trans } = useRunicorn();
  const { axes } = choice;
  return (
    <>
      <ul className="rj-Plot-axes" aria-label={trans.__('Axes')}>
        {axes.map(id => (
          <li key={id} className="rj-Row">
            <span className="rj-Ellipsis" title={labelOf(id, trans)}>
              {labelOf(id, trans)}
            </span>
            <IconButton
              label={trans.__('Remove %1', labelOf(id, trans))}
              icon={closeIcon}
              onPress={() => choose({ axes: axes.filter(each => each !== id) })}
            />
          </li>
        ))}
      </ul>
      {axes.length < MOST_AXES - 1 && (
        <DimensionChoice
          label={trans.__('Another axis')}
          value=""
          dimensions={dimensions}
          without={[...axes, choice.y]}
          onChange={id => choose({ axes: [...axes, id] })}
        />
      )}
    </>
  );
}

/** A choice among all that runs can be drawn by. */
function DimensionChoice(props: {
  label: string;
  /** '' where nothing is chosen: the choice adds something. */
  value: string;
  dimensions: IDimensions;
  without?: readonly string[];
  onChange: (id: string) => void;
}): JSX.Element {
  const { value, dimensions, without = [] } = props;
  const { trans } = useRunicorn();
  const kinds: ReadonlyArray<readonly [title: string, ids: readonly string[]]> = [
    [trans.__('Parameters'), dimensions.param],
    [trans.__('Metrics'), dimensions.metric],
    [trans.__('Summary'), dimensions.summary],
    [trans.__('Facts'), dimensions.fact]
  ];
  const listed = kinds.map(([title, ids]) => {
    const offered = ids.filter(id => !without.includes(id)).slice(0, MOST_LISTED);
    return [title, offered] as const;
  });
  const isListed = listed.some(([, ids]) => ids.includes(value));
  return (
    <Field label={props.label}>
      {id => (
        <select
          id={id}
          className="jp-mod-styled"
          value={value}
          onChange={event => event.target.value && props.onChange(event.target.value)}
        >
          {!isListed && (
            <option value={value}>{value ? labelOf(value, trans) : trans.__('Add…')}</option>
          )}
          {listed.map(
            ([title, ids]) =>
              ids.length > 0 && (
                <optgroup key={title} label={title}>
                  {ids.map(each => (
                    <option key={each} value={each}>
                      {labelOf(each, trans)}
                    </option>
                  ))}
                </optgroup>
              )
          )}
        </select>
      )}
    </Field>
  );
}
