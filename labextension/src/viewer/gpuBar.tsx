/** Above the page of a run that is on a GPU: which one, how busy and how full it is. */

import { ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import type { Gpu, Run } from '../api/client.js';
import type { Runicorn } from '../ui/context.js';
import { formatGib, stateOf } from '../ui/gpus.js';
import { keyOfRun } from '../state/runs.js';
import { useRunicorn, ViewRoot } from '../ui/shared.js';

/** Where the bar is, and what it leads to. */
export interface IGpuBarOptions {
  runicorn: Runicorn;
  /** The run whose page is shown, or undefined. */
  run: () => Run | undefined;
  showMachine: (connectionId: string) => void;
}

/** The bar; the one who shows it tells it to update when there may be another run, or a machine has changed. */
export class GpuBar extends ReactWidget {
  constructor(options: IGpuBarOptions) {
    super();
    this._options = options;
    this.addClass('rj-GpuBar');
  }

  override render(): JSX.Element {
    const run = this._options.run();
    return (
      <ViewRoot runicorn={this._options.runicorn}>
        {run && <Gpus run={run} showMachine={this._options.showMachine} />}
      </ViewRoot>
    );
  }

  private readonly _options: IGpuBarOptions;
}

function Gpus(props: { run: Run; showMachine: (connectionId: string) => void }): JSX.Element {
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
