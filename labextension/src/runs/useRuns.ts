/** The runs that the table shows: all of all servers, those that pass a filter, in a layout of columns. */

import React from 'react';

import type { Run } from '../api/client.js';
import type { Runicorn } from '../ui/context.js';
import { useRunicorn } from '../ui/shared.js';
import { keyOfRun, RunsStore } from '../state/runs.js';
import { NO_PLACES, placesOf, type GpuPlaces } from './gpuPlaces.js';
import { isCondition } from './filter.js';
import type { ILayout } from './layout.js';
import type { LayoutKeeper } from './LayoutKeeper.js';
import { matching } from './table.js';

/** What the plugins share, and a render whenever the runs change too. */
export function useRuns(): Runicorn {
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

/** Which runs are on which GPUs; null as long as no machine was seen that has one. */
export function useGpuPlaces(): GpuPlaces | null {
  const { machines: store } = useRunicorn();
  const [places, setPlaces] = React.useState<GpuPlaces | null>(null);
  React.useEffect(() => {
    // Machines change every other second; that a run is elsewhere is rare.
    const read = (): void => {
      const { machines } = store;
      setPlaces(before => {
        const hasGpus = (machines ?? []).some(machine => machine.gpus?.length);
        if (before === null && !hasGpus) {
          return null;
        }
        const now = machines === null ? NO_PLACES : placesOf(machines);
        return before?.isEqual(now) ? before : now;
      });
    };
    store.changed.connect(read);
    read();
    return () => {
      store.changed.disconnect(read);
    };
  }, [store]);
  return places;
}

/** The layout, and what changes it. */
export function useLayout(keeper: LayoutKeeper): [ILayout, (layout: ILayout) => void] {
  useRunicorn(); // which renders anew when the settings change
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    keeper.changed.connect(render);
    void keeper.restore();
    return () => {
      keeper.changed.disconnect(render);
    };
  }, [keeper]);
  const set = React.useCallback((layout: ILayout) => keeper.set(layout), [keeper]);
  return [keeper.layout, set];
}

/** The runs that pass what was typed. */
export interface IFiltered {
  runs: readonly Run[];
  /** Whether these are not yet those that pass. */
  isReading: boolean;
  /** Why the condition could not be read, or null; the runs are those of the one before then. */
  error: unknown;
}

interface IFound {
  condition: string;
  keys: ReadonlySet<string> | null;
  error: unknown;
}

const ALL: IFound = { condition: '', keys: null, error: null };

/** Find the runs that pass: words are looked for here, conditions are read by the server. */
export function useFilter(runs: readonly Run[], typed: string): IFiltered {
  const { client, store } = useRunicorn();
  const condition = isCondition(typed) ? typed.trim() : '';
  const [found, setFound] = React.useState(ALL);
  React.useEffect(() => {
    if (condition === '') {
      return setFound(ALL);
    }
    const passing = new RunsStore(client, store, { where: condition });
    passing.changed.connect(() => {
      const { error } = passing;
      if (!passing.loading) {
        const keys = error === null ? new Set(passing.runs.map(keyOfRun)) : null;
        setFound(before => ({ condition, keys: keys ?? before.keys, error }));
      }
    });
    passing.follow();
    return () => passing.dispose();
  }, [client, store, condition]);
  const shown = React.useMemo(() => {
    if (condition === '') {
      return matching(runs, typed);
    }
    return found.keys === null ? runs : runs.filter(run => found.keys!.has(keyOfRun(run)));
  }, [runs, typed, condition, found.keys]);
  return {
    runs: shown,
    isReading: found.condition !== condition,
    error: found.condition === condition ? found.error : null
  };
}
