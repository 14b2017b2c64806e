/** The runs that go on, in the cards of their connections: a line each, with a small curve. */

import React from 'react';

import type { Run } from '../api/client.js';
import { Sparkline } from '../curves/Sparkline.js';
import { Sparks } from '../curves/Sparks.js';
import { keyOfRun, type RunsStore } from '../state/runs.js';
import { formatNumber } from '../ui/numbers.js';
import { plainText } from '../ui/plain.js';
import { useRunicorn } from '../ui/shared.js';
import type { IPanelActions } from './actions.js';
import { byConnection, metricOf, type ILiveRuns } from './live.js';

const NONE: ReadonlyMap<string, ILiveRuns> = new Map();
const LiveRunsContext = React.createContext(NONE);

/** Gives the cards the runs that go on, and their curves. */
export function LiveRuns(props: {
  store: RunsStore;
  /** Where the cards are. */
  node: React.RefObject<HTMLElement>;
  children: React.ReactNode;
}): JSX.Element {
  const { store, node } = props;
  const [runs, setRuns] = React.useState(store.runs);
  React.useEffect(() => {
    const read = (): void => setRuns(store.runs);
    store.changed.connect(read);
    read();
    return () => {
      store.changed.disconnect(read);
    };
  }, [store]);
  const found = React.useMemo(() => byConnection(runs), [runs]);
  const shown = React.useMemo(() => [...found.values()].flatMap(each => each.shown), [found]);
  return (
    <LiveRunsContext.Provider value={found}>
      <Sparks runs={shown} {...{ node, store, metricOf }}>
        {props.children}
      </Sparks>
    </LiveRunsContext.Provider>
  );
}

/** The lines of a connection; nothing where no run goes on. */
export function LiveLines(props: {
  connectionId: string;
  isConnected: boolean;
  actions: IPanelActions;
}): JSX.Element | null {
  const { trans } = useRunicorn();
  const { openRun, showRuns } = props.actions;
  const found = React.useContext(LiveRunsContext).get(props.connectionId);
  if (!found) {
    return null;
  }
  const more = trans._n('%1 more run goes on', '%1 more runs go on', found.more);
  return (
    <ul
      className="rj-Live"
      aria-label={trans.__('Runs that go on')}
      data-stale={!props.isConnected || undefined}
    >
      {found.shown.map(run => (
        <LiveLine key={keyOfRun(run)} run={run} openRun={openRun} />
      ))}
      {found.more > 0 && (
        <li>
          {showRuns ? (
            <button type="button" className="rj-Link" onClick={showRuns}>
              {more}
            </button>
          ) : (
            more
          )}
        </li>
      )}
    </ul>
  );
}

function LiveLine(props: { run: Run; openRun: (run: Run) => void }): JSX.Element {
  const { run } = props;
  const { trans } = useRunicorn();
  const metric = metricOf(run);
  return (
    <li>
      <button
        type="button"
        className="rj-Link rj-Ellipsis"
        title={trans.__('Show the run')}
        onClick={() => props.openRun(run)}
      >
        {plainText(run.name || run.run_id)}
      </button>
      {metric !== '' && (
        <span className="rj-Live-curve">
          <Sparkline {...{ run, metric, trans }} />
          <span className="rj-Quiet rj-Ellipsis" title={metric}>
            {`${metric} ${formatNumber(run.metrics[metric])}`}
          </span>
        </span>
      )}
    </li>
  );
}
