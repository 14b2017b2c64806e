/** What the bar above a run's page says of its GPUs. */

import React from 'react';

import type { Gpu, Run } from '../api/client.js';
import { formatGib, stateOf } from '../ui/gpus.js';
import { keyOfRun } from '../state/runs.js';
import { useRunicorn } from '../ui/shared.js';

/** The GPUs of a run: which they are, how busy and how full. */
export function RunGpus(props: {
  run: Run;
  showMachine: (connectionId: string) => void;
}): JSX.Element {
  const { run } = props;
  const { trans, machines } = useRunicorn();
  const machine = machines.machine(run.connection_id);
  const gpus = (machine?.gpus ?? []).filter(gpu =>
    gpu.processes.some(process => process.run && keyOfRun(process.run) === keyOfRun(run))
  );
  return (
    <>
      <ul
        className="rj-Strip"
        aria-label={trans.__('The GPUs of this run')}
        data-stale={machine?.error ? true : undefined}
      >
        {gpus.map(gpu => (
          <li key={gpu.uuid ?? gpu.index} data-state={stateOf(gpu)}>
            <span className="rj-Dot" aria-hidden />
            <span>{figuresOf(gpu)}</span>
          </li>
        ))}
      </ul>
      <button
        type="button"
        className="rj-Link"
        onClick={() => props.showMachine(run.connection_id)}
      >
        {trans.__('Show the machine')}
      </button>
    </>
  );
}

/** Its number, how busy it is and how full. */
function figuresOf(gpu: Gpu): string {
  return [
    `GPU ${gpu.index}`,
    gpu.used_percent !== null && `${Math.round(gpu.used_percent)} %`,
    gpu.memory_used !== null && formatGib(gpu.memory_used)
  ]
    .filter(Boolean)
    .join(' · ');
}
