/** The runs of all servers: a filter, the table, and one metric of several runs on top of each other. */

import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import { refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Run } from '../api/client.js';
import { runicornIcon } from '../ui/icons.js';
import type { Runicorn } from '../ui/context.js';
import { Choice, IconButton } from '../ui/fields.js';
import { ErrorNote, useRunicorn, ViewRoot } from '../ui/shared.js';
import { RUNS_ID } from '../ids.js';
import { Comparison } from './Comparison.js';
import { Differences } from './Differences.js';
import { RunsTable } from './RunsTable.js';
import { Sources } from './Sources.js';
import { keyOfRun } from '../state/runs.js';
import { NEWEST_FIRST, sorted, type IOrder } from './columns.js';
import { matching, metricsOf } from './table.js';

/** What the view needs of the application. */
export interface IRunsViewOptions {
  runicorn: Runicorn;
  /** Show a run's page in the tab of its viewer. */
  openRun: (run: Run) => void;
  /** Show the side panel. */
  showPanel: () => void;
}

/** The view as a tab of the main area. */
export class RunsView extends MainAreaWidget<ReactWidget> {
  constructor(options: IRunsViewOptions) {
    const { trans, runs } = options.runicorn;
    const content = ReactWidget.create(
      <ViewRoot runicorn={options.runicorn}>
        <RunsBody {...options} />
      </ViewRoot>
    );
    content.addClass('rj-Runs');
    super({ content });
    this.id = RUNS_ID;
    this.toolbar.hide();
    this.title.label = trans.__('Runs');
    this.title.caption = trans.__('Runs of all servers');
    this.title.icon = runicornIcon;
    this.title.closable = true;
    const following = runs.follow();
    this.disposed.connect(() => following.dispose());
  }
}

/** What of the runs the person wants to see. */
interface IRunsChoice {
  typed: string;
  setTyped: (typed: string) => void;
  order: IOrder;
  setOrder: (order: IOrder) => void;
  /** The names of all metrics, and the one that is shown, or ''. */
  metrics: readonly string[];
  metric: string;
  setMetric: (metric: string) => void;
  /** The runs that pass the filter, in their order. */
  shown: readonly Run[];
  selected: ReadonlySet<string>;
  toggle: (run: Run) => void;
  /** The selected ones. */
  compared: readonly Run[];
  comparing: boolean;
  setComparing: (comparing: boolean) => void;
}

function useChoice(runs: readonly Run[]): IRunsChoice {
  const [typed, setTyped] = React.useState('');
  const [order, setOrder] = React.useState(NEWEST_FIRST);
  const [chosen, setMetric] = React.useState('');
  const [selected, setSelected] = React.useState<ReadonlySet<string>>(new Set());
  const [comparing, setComparing] = React.useState(false);
  // Typing goes first; the table follows as soon as it can.
  const filter = React.useDeferredValue(typed);
  const metrics = React.useMemo(() => metricsOf(runs), [runs]);
  const metric = metrics.includes(chosen) ? chosen : (metrics.find(isLoss) ?? metrics[0] ?? '');
  const shown = React.useMemo(
    () => sorted(matching(runs, filter), order, metric),
    [runs, filter, order, metric]
  );
  const compared = React.useMemo(
    () => runs.filter(run => selected.has(keyOfRun(run))),
    [runs, selected]
  );
  const toggle = (run: Run): void => {
    const next = new Set(selected);
    if (!next.delete(keyOfRun(run))) {
      next.add(keyOfRun(run));
    }
    setSelected(next);
  };
  return {
    ...{ typed, setTyped, order, setOrder, metrics, metric, setMetric, shown },
    ...{ selected, toggle, compared, comparing, setComparing }
  };
}

function RunsBody(props: IRunsViewOptions): JSX.Element {
  const { trans, dates, runs: store } = useRuns();
  const choice = useChoice(store.runs);
  const { shown, metric, order, selected, compared } = choice;
  const refresh = (): void => void store.refresh();
  return (
    <>
      <Bar choice={choice} />
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
          {...{ runs: shown, metric, order, selected, trans, dates }}
          onOrder={choice.setOrder}
          onToggle={choice.toggle}
          onOpen={props.openRun}
        />
      ) : (
        <Nothing runicorn={props.runicorn} showPanel={props.showPanel} />
      )}
      {choice.comparing && compared.length > 0 && (
        <>
          <Differences runs={compared} />
          {metric && (
            <Comparison
              runs={compared}
              metric={metric}
              onClose={() => choice.setComparing(false)}
            />
          )}
        </>
      )}
    </>
  );
}

function Bar(props: { choice: IRunsChoice }): JSX.Element {
  const { choice } = props;
  const { shown, metrics, metric, compared, comparing } = choice;
  const { trans, runs: store } = useRunicorn();
  const { length } = store.runs;
  return (
    <header className="rj-Runs-bar">
      <input
        type="search"
        className="jp-mod-styled rj-Runs-filter"
        aria-label={trans.__('Filter the runs')}
        placeholder={trans.__('Filter by name, path, server or status')}
        value={choice.typed}
        onChange={event => choice.setTyped(event.target.value)}
      />
      <span className="rj-Quiet rj-Grow" role="status">
        {shown.length === length
          ? trans._n('%1 run', '%1 runs', length)
          : trans.__('%1 of %2 runs', shown.length, length)}
      </span>
      {metrics.length > 0 && (
        <Choice
          label={trans.__('Metric')}
          value={metric}
          options={metrics.map(name => [name, name])}
          onChange={choice.setMetric}
        />
      )}
      <button
        type="button"
        className="rj-Button"
        disabled={compared.length === 0}
        aria-expanded={comparing}
        onClick={() => choice.setComparing(!comparing)}
      >
        {trans.__('Compare %1', compared.length)}
      </button>
      <IconButton
        label={trans.__('Refresh the runs')}
        icon={refreshIcon}
        spinning={store.loading}
        disabled={store.loading}
        onPress={() => void store.refresh()}
      />
    </header>
  );
}

/** What the plugins share, and a render whenever the runs change too. */
function useRuns(): Runicorn {
  const runicorn = useRunicorn();
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    runicorn.runs.changed.connect(render);
    render();
    return () => {
      runicorn.runs.changed.disconnect(render);
    };
  }, [runicorn]);
  return runicorn;
}

function isLoss(name: string): boolean {
  return /loss/i.test(name);
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
