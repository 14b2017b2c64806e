/** The GPUs of a connection's machine in one line of its card. */

import React from 'react';

import type { Gpu, Run } from '../api/client.js';
import { isDiskLow } from '../state/machines.js';
import { formatBytes, gpuLabel, holdersOf, machineProblem, stateOf } from '../ui/gpus.js';
import { useRunicorn } from '../ui/shared.js';
import { useMachines } from '../ui/useMachines.js';

/** The strip; nothing where there is no GPU and nothing to warn of. */
export function GpuStrip(props: {
  connectionId: string;
  openRun: (run: Run) => void;
}): JSX.Element | null {
  const { trans } = useRunicorn();
  const machines = useMachines();
  const machine = machines.machine(props.connectionId);
  if (!machine || machine.error?.code === 'connection_lost') {
    return null;
  }
  const { gpus, disk } = machine;
  const problem =
    gpus?.length || machine.error?.code === 'gpus_unknown' ? machineProblem(trans, machine) : null;
  const isLow = disk !== null && isDiskLow(disk);
  if (!gpus?.length && !problem && !isLow) {
    return null;
  }
  const isStale = machine.error !== null || machines.error !== null;
  return (
    <ul
      className="rj-Strip"
      aria-label={trans.__('GPUs')}
      data-stale={isStale || undefined}
      title={problem ? [problem.title, problem.detail].filter(Boolean).join('\n') : undefined}
    >
      {problem && <li className="rj-Strip-problem">{problem.title}</li>}
      {gpus?.map(gpu => (
        <Chip key={gpu.uuid ?? gpu.index} gpu={gpu} openRun={props.openRun} />
      ))}
      {isLow && (
        <li className="rj-Strip-problem">{trans.__('Disk: %1 free', formatBytes(disk.free))}</li>
      )}
    </ul>
  );
}

function Chip(props: { gpu: Gpu; openRun: (run: Run) => void }): JSX.Element {
  const { gpu } = props;
  const { trans, machines } = useRunicorn();
  const label = gpuLabel(trans, gpu, key => machines.run(key));
  const key = holdersOf(gpu).find(holder => holder.run)?.run;
  const run = key ? machines.run(key) : undefined;
  return (
    <li data-state={stateOf(gpu)}>
      <span className="rj-Dot" aria-hidden />
      {run ? (
        <button
          type="button"
          className="rj-Link"
          title={trans.__('Show the run')}
          onClick={() => props.openRun(run)}
        >
          {label}
        </button>
      ) : (
        <span>{label}</span>
      )}
    </li>
  );
}
