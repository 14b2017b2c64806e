/** Values of runs against each other: a scatter plot, or parallel coordinates. */

import { closeIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Run } from '../../api/client.js';
import { IconButton } from '../../ui/fields.js';
import { runStatusLabel } from '../../ui/messages.js';
import { useRunicorn } from '../../ui/shared.js';
import { useSame } from '../../ui/useSame.js';
import { columnOf, type IColumn } from '../columns.js';
import { dimensionsOf, firstChoice, type IPlotChoice } from './dimensions.js';
import { Parallel } from './Parallel.js';
import { PlotControls, type PlotKind } from './PlotControls.js';
import { Scatter } from './Scatter.js';

/** What is plotted. */
export interface IPlotsProps {
  /** The runs that pass the filter. */
  filtered: readonly Run[];
  /** Those that are ticked; two or more are plotted in place of the others. */
  selected: readonly Run[];
  /** The chosen metric, or ''. */
  metric: string;
  onOpen: (run: Run) => void;
  onClose: () => void;
}

/** The plots. */
export function Plots(props: IPlotsProps): JSX.Element {
  const { trans } = useRunicorn();
  const isSelection = props.selected.length > 1;
  const runs = useSame(isSelection ? props.selected : props.filtered);
  const [kind, setKind] = React.useState<PlotKind>('scatter');
  const [chosen, setChosen] = React.useState<Partial<IPlotChoice>>({});
  const dimensions = React.useMemo(() => dimensionsOf(runs), [runs]);
  const first = React.useMemo(
    () => firstChoice(runs, dimensions.param, props.metric),
    [runs, dimensions, props.metric]
  );
  const choice: IPlotChoice = { ...first, ...chosen };
  const axes = useColumns([...choice.axes.filter(id => id !== choice.y), choice.y]);
  const [x, y, color] = useColumns([choice.x, choice.y, choice.color]);
  const title = isSelection
    ? trans.__('Plot of the %1 chosen runs', runs.length)
    : trans._n('Plot of %1 run', 'Plot of %1 runs', runs.length);
  return (
    <section className="rj-Plot" aria-label={trans.__('Plot')}>
      <div className="rj-Row">
        <h3 className="rj-Grow">{title}</h3>
        <IconButton label={trans.__('Close the plot')} icon={closeIcon} onPress={props.onClose} />
      </div>
      <PlotControls
        {...{ kind, setKind, dimensions, choice }}
        choose={change => setChosen({ ...chosen, ...change })}
      />
      {kind === 'scatter' ? (
        <Scatter {...{ runs }} x={x!} y={y!} color={color!} onOpen={props.onOpen} />
      ) : (
        <Parallel {...{ runs }} columns={axes} color={color!} onOpen={props.onOpen} />
      )}
    </section>
  );
}

/** Return columns by their ids, the same ones as long as these are the same. */
function useColumns(ids: readonly string[]): readonly IColumn[] {
  const { trans } = useRunicorn();
  const same = useSame(ids);
  return React.useMemo(() => same.map(id => columnFor(id, trans)), [same, trans]);
}

/** Return a column to draw by; words of ours are in the person's language. */
function columnFor(id: string, trans: TranslationBundle): IColumn {
  const column = columnOf(id, '')!;
  return id === 'status' ? { ...column, value: run => runStatusLabel(trans, run.status) } : column;
}
