/** The machines for parts of a view. */

import React from 'react';

import type { MachinesStore } from '../state/machines.js';
import { useRunicorn } from './shared.js';

/** The store of machines, and a render whenever it changes; what is shown follows it elsewhere. */
export function useMachines(): MachinesStore {
  const { machines } = useRunicorn();
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    machines.changed.connect(render);
    render();
    return () => {
      machines.changed.disconnect(render);
    };
  }, [machines]);
  return machines;
}
