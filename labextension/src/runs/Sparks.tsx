/** Reads the small curves of the rows in sight: one request for all of them, none while nobody looks. */

import React from 'react';

import type { Run } from '../api/client.js';
import type { IReading } from '../curves/reader.js';
import { useCurveReader } from '../curves/useCurveReader.js';
import { useRunicorn } from '../ui/shared.js';
import { primaryOf, SparksContext } from './Sparkline.js';

/** As many steps of each run as a small curve has room for. */
const READING: IReading = { points: 60, isTogether: true };
/** The most runs that one request takes. */
const MOST_RUNS = 100;

/** Gives the rows their curves. */
export function Sparks(props: {
  /** Where the rows are. */
  table: React.RefObject<HTMLElement>;
  runs: readonly Run[];
  /** The chosen metric, or '': there is nothing to read. */
  metric: string;
  children: React.ReactNode;
}): JSX.Element {
  const { client, runs: store } = useRunicorn();
  const { metric } = props;
  const wish = React.useMemo(() => {
    const runs = metric === '' ? [] : props.runs.slice(0, MOST_RUNS);
    const metrics = [...new Set(runs.map(run => primaryOf(run, metric)))].sort();
    return { runs, metrics };
  }, [props.runs, metric]);
  const { reader, version } = useCurveReader({
    ...{ client, wish, reading: READING },
    retried: store.changed,
    node: props.table
  });
  const value = React.useMemo(() => {
    // What is read changes in place; its version says when.
    void version;
    return { reader };
  }, [reader, version]);
  return <SparksContext.Provider value={value}>{props.children}</SparksContext.Provider>;
}
