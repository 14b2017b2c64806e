/** Reads the small curves of the runs in sight: one request for all of them, none while nobody looks. */

import React from 'react';

import type { Run } from '../api/client.js';
import type { RunsStore } from '../state/runs.js';
import { useRunicorn } from '../ui/shared.js';
import type { IReading } from './reader.js';
import { SparksContext } from './Sparkline.js';
import { useCurveReader } from './useCurveReader.js';

/** As many steps of each run as a small curve has room for. */
const READING: IReading = { points: 60, isTogether: true };
/** The most runs that one request takes. */
const MOST_RUNS = 100;

/** Gives the runs their curves. */
export function Sparks(props: {
  /** Where the runs are shown. */
  node: React.RefObject<HTMLElement>;
  /** Tells when runs have changed. */
  store: RunsStore;
  runs: readonly Run[];
  /** The metric whose curve stands for a run, or '': there is none; the same function each time. */
  metricOf: (run: Run) => string;
  children: React.ReactNode;
}): JSX.Element {
  const { client } = useRunicorn();
  const { store, metricOf } = props;
  const wish = React.useMemo(() => {
    const runs = props.runs.filter(run => metricOf(run) !== '').slice(0, MOST_RUNS);
    return { runs, metrics: [...new Set(runs.map(metricOf))].sort() };
  }, [props.runs, metricOf]);
  const { reader, version } = useCurveReader({
    ...{ client, wish, reading: READING },
    retried: store.changed,
    node: props.node
  });
  const value = React.useMemo(() => {
    // What is read changes in place; its version says when.
    void version;
    return { reader };
  }, [reader, version]);
  return <SparksContext.Provider value={value}>{props.children}</SparksContext.Provider>;
}
