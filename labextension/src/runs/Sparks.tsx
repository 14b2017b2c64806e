/** Reads the small curves of the rows in sight: one request for all of them, none while nobody looks. */

import React from 'react';

import type { Run } from '../api/client.js';
import { CurveReader } from '../curves/reader.js';
import { useLook } from '../curves/useLook.js';
import { useRunicorn } from '../ui/shared.js';
import { primaryOf, SparksContext } from './Sparkline.js';

/** Steps of each run that are asked for: as many as a small curve has room for. */
const POINTS = 60;
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
  const [value, setValue] = React.useState<{ reader: CurveReader } | null>(null);
  const reader = React.useMemo(() => {
    const made: CurveReader = new CurveReader(client, () => setValue({ reader: made }), {
      points: POINTS,
      isTogether: true
    });
    return made;
  }, [client]);
  const { metric } = props;
  const wish = React.useMemo(() => {
    const runs = metric === '' ? [] : props.runs.slice(0, MOST_RUNS);
    const metrics = [...new Set(runs.map(run => primaryOf(run, metric)))].sort();
    return { runs, metrics };
  }, [props.runs, metric]);
  React.useEffect(() => () => reader.dispose(), [reader]);
  React.useEffect(() => reader.wish(wish), [reader, wish]);
  React.useEffect(() => {
    const retry = (): void => reader.retry();
    store.changed.connect(retry);
    return () => {
      store.changed.disconnect(retry);
    };
  }, [reader, store]);
  useLook(
    props.table,
    React.useCallback((isSeen: boolean) => reader.look(isSeen), [reader])
  );
  return <SparksContext.Provider value={value}>{props.children}</SparksContext.Provider>;
}
