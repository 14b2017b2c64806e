/** What stands above the table of runs: the filter, how many runs pass, and what is done with them. */

import { addBelowIcon, downloadIcon, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { Choice, IconButton } from '../ui/fields.js';
import { useRunicorn } from '../ui/shared.js';
import { FilterField } from './FilterField.js';

/** What the bar shows, and what it tells of. */
export interface IRunsBarProps {
  typed: string;
  setTyped: (typed: string) => void;
  /** How many runs pass. */
  count: number;
  isReading: boolean;
  filterError: unknown;
  metrics: readonly string[];
  metric: string;
  setMetric: (metric: string) => void;
  compared: number;
  comparing: boolean;
  setComparing: (comparing: boolean) => void;
  plotting: boolean;
  setPlotting: (plotting: boolean) => void;
  choosing: boolean;
  setChoosing: (choosing: boolean) => void;
  onDownload: () => void;
  onInsert: () => void;
}

/** The bar. */
export function RunsBar(props: IRunsBarProps): JSX.Element {
  const { count, metrics, metric, compared, comparing, plotting, choosing, isReading } = props;
  const { trans, runs: store } = useRunicorn();
  const { length } = store.runs;
  const words = isReading
    ? trans.__('Filtering…')
    : count === length
      ? trans._n('%1 run', '%1 runs', length)
      : trans.__('%1 of %2 runs', count, length);
  return (
    <div className="rj-Runs-bar">
      <FilterField
        typed={props.typed}
        runs={store.runs}
        error={props.filterError}
        onType={props.setTyped}
      />
      <span className="rj-Quiet rj-Grow" role="status">
        {words}
      </span>
      {metrics.length > 0 && (
        <Choice
          label={trans.__('Metric')}
          value={metric}
          options={metrics.map(name => [name, name])}
          onChange={props.setMetric}
        />
      )}
      <button
        type="button"
        className="rj-Button"
        aria-expanded={choosing}
        onClick={() => props.setChoosing(!choosing)}
      >
        {trans.__('Columns')}
      </button>
      <button
        type="button"
        className="rj-Button"
        aria-expanded={plotting}
        onClick={() => props.setPlotting(!plotting)}
      >
        {trans.__('Plot')}
      </button>
      <button
        type="button"
        className="rj-Button"
        disabled={compared === 0}
        aria-expanded={comparing}
        onClick={() => props.setComparing(!comparing)}
      >
        {trans.__('Compare %1', compared)}
      </button>
      <Tools {...props} />
    </div>
  );
}

/** What is done with all that is shown. */
function Tools(props: IRunsBarProps): JSX.Element {
  const { trans, runs: store } = useRunicorn();
  return (
    <>
      <IconButton
        label={trans.__('Download what is shown as CSV')}
        icon={downloadIcon}
        disabled={props.isReading || props.count === 0}
        onPress={props.onDownload}
      />
      <IconButton
        label={trans.__('Insert what is shown as a cell of the notebook')}
        icon={addBelowIcon}
        disabled={props.filterError !== null}
        onPress={props.onInsert}
      />
      <IconButton
        label={trans.__('Refresh the runs')}
        icon={refreshIcon}
        spinning={store.loading}
        disabled={store.loading}
        onPress={() => void store.refresh()}
      />
    </>
  );
}
