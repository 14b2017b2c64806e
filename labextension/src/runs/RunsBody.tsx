/** What is in the tab of runs: a filter, the table, and one metric of several runs on top of each other. */

import type { IStateDB } from '@jupyterlab/statedb';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Run } from '../api/client.js';
import { foremostOf } from '../curves/Sparkline.js';
import type { Runicorn } from '../ui/context.js';
import { later } from '../ui/later.js';
import { ErrorNote } from '../ui/shared.js';
import type { IColumn } from './columns.js';
import { ColumnChooser } from './ColumnChooser.js';
import { Differences } from './Differences.js';
import { cellOf, csvOfGroups, csvOfRuns } from './exporting.js';
import type { LayoutKeeper } from './LayoutKeeper.js';
import { RunsBar } from './RunsBar.js';
import { RunsTable } from './RunsTable.js';
import { Sources } from './Sources.js';
import { keyOfRun } from '../state/runs.js';
import { isGroup, useRunsModel, type IRunsModel } from './tableModel.js';
import { metricsOf } from './table.js';
import { useFilter, useGpuPlaces, useLayout, useRuns, type IFiltered } from './useRuns.js';

// What draws comes when somebody wants a drawing.
const Comparison = later(async () => (await import('./Comparison.js')).Comparison);
const Plots = later(async () => (await import('./plots/Plots.js')).Plots);

/** What the view needs of the application. */
export interface IRunsViewOptions {
  runicorn: Runicorn;
  /** Keeps the table's columns; null where nothing does. */
  state: IStateDB | null;
  /** Put a line into a new cell of the notebook that was used last. */
  insertCell: (source: string) => void;
  /** Show a run's page in the tab of its viewer. */
  openRun: (run: Run) => void;
  /** Show the machine behind a connection. */
  showMachine: (connectionId: string) => void;
  /** Show the side panel. */
  showPanel: () => void;
}

/** What of the runs the person wants to see. */
interface IRunsChoice {
  typed: string;
  setTyped: (typed: string) => void;
  /** The names of all metrics, and the one that is shown, or ''. */
  metrics: readonly string[];
  metric: string;
  setMetric: (metric: string) => void;
  /** The runs that pass the filter. */
  filtered: IFiltered;
  selected: ReadonlySet<string>;
  toggle: (runs: readonly Run[]) => void;
  /** The selected ones. */
  compared: readonly Run[];
  comparing: boolean;
  setComparing: (comparing: boolean) => void;
}

function useChoice(runs: readonly Run[]): IRunsChoice {
  const [typed, setTyped] = React.useState('');
  const [chosen, setMetric] = React.useState('');
  const [selected, setSelected] = React.useState<ReadonlySet<string>>(new Set());
  const [comparing, setComparing] = React.useState(false);
  // Typing goes first; the table follows as soon as it can.
  const filtered = useFilter(runs, React.useDeferredValue(typed));
  const metrics = React.useMemo(() => metricsOf(runs), [runs]);
  const metric = metrics.includes(chosen) ? chosen : foremostOf(metrics);
  const compared = React.useMemo(
    () => runs.filter(run => selected.has(keyOfRun(run))),
    [runs, selected]
  );
  const toggle = (toggled: readonly Run[]): void => {
    const keys = toggled.map(keyOfRun);
    const next = new Set(selected);
    const isAll = keys.every(key => next.has(key));
    keys.forEach(key => (isAll ? next.delete(key) : next.add(key)));
    setSelected(next);
  };
  return {
    ...{ typed, setTyped, metrics, metric, setMetric, filtered },
    ...{ selected, toggle, compared, comparing, setComparing }
  };
}

/** What is in the tab of runs. */
export function RunsBody(props: IRunsViewOptions & { keeper: LayoutKeeper }): JSX.Element {
  const { trans, dates, runs: store } = useRuns();
  const choice = useChoice(store.runs);
  const { metric, selected, compared, filtered } = choice;
  const [layout, setLayout] = useLayout(props.keeper);
  const [choosing, setChoosing] = React.useState(false);
  const [plotting, setPlotting] = React.useState(false);
  const model = useRunsModel(filtered.runs, layout, metric, useGpuPlaces());
  const refresh = (): void => void store.refresh();
  return (
    <>
      <RunsBar
        {...choice}
        {...{ choosing, setChoosing, plotting, setPlotting }}
        compared={compared.length}
        count={filtered.runs.length}
        isReading={filtered.isReading}
        filterError={filtered.error}
        onDownload={() => download(model, filtered.runs, trans)}
        onInsert={() => props.insertCell(cellOf(choice.typed, layout.sort, columnsOf(model)))}
      />
      {choosing && <ColumnChooser runs={store.runs} {...{ layout, metric }} onLayout={setLayout} />}
      {store.error !== null && (
        <ErrorNote
          reason={store.error}
          trans={trans}
          remedies={{ refresh, retry: refresh, 'reload-page': () => location.reload() }}
        />
      )}
      <Sources servers={store.servers} trans={trans} dates={dates} />
      {store.runs.length > 0 ? (
        <RunsTable
          {...{ model, layout, selected, metric, trans, dates }}
          onLayout={setLayout}
          onToggle={choice.toggle}
          onOpen={props.openRun}
          onMachine={run => props.showMachine(run.connection_id)}
        />
      ) : (
        <Nothing runicorn={props.runicorn} showPanel={props.showPanel} />
      )}
      {plotting && (
        <Plots
          {...{ metric }}
          filtered={filtered.runs}
          selected={compared}
          onOpen={props.openRun}
          onClose={() => setPlotting(false)}
        />
      )}
      {choice.comparing && compared.length > 0 && <Differences runs={compared} />}
      {choice.comparing && compared.length > 0 && metric && (
        <Comparison runs={compared} metric={metric} onClose={() => choice.setComparing(false)} />
      )}
    </>
  );
}

function columnsOf(model: IRunsModel): IColumn[] {
  return model.tracks.map(track => track.column);
}

/** Have the browser save what is shown. */
function download(model: IRunsModel, runs: readonly Run[], trans: TranslationBundle): void {
  const { groupBy, items } = model;
  const columns = columnsOf(model).filter(column => !column.isPicture);
  const text =
    groupBy.length > 0
      ? csvOfGroups(runs, groupBy, columns, trans)
      : csvOfRuns(
          items.filter((item): item is Run => !isGroup(item)),
          columns,
          trans
        );
  saveText('runs.csv', text);
}

/** Have the browser save a text as a file. */
function saveText(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** What to do where there are no runs. */
function Nothing(props: { runicorn: Runicorn; showPanel: () => void }): JSX.Element {
  const { trans, store, runs } = props.runicorn;
  const isReading = runs.loading || runs.servers.some(item => !item.complete && !item.error);
  const words = isReading
    ? trans.__('Reading the runs…')
    : store.connections.length === 0
      ? trans.__('Connect to a server to see the training runs that are on it.')
      : store.connections.every(item => item.viewer === null)
        ? trans.__('Open the viewer of a connection to see its runs here.')
        : trans.__('There are no runs yet.');
  return (
    <div className="rj-Runs-nothing">
      <p>{words}</p>
      <button type="button" className="rj-Button rj-mod-primary" onClick={props.showPanel}>
        {trans.__('Show the connections')}
      </button>
    </div>
  );
}
