/** Above the page of a run that is on a GPU: which one, how busy and how full it is. */

import { ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import type { Run } from '../api/client.js';
import type { Runicorn } from '../ui/context.js';
import { later } from '../ui/later.js';
import { ViewRoot } from '../ui/shared.js';

const RunGpus = later(async () => (await import('./runGpus.js')).RunGpus);

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
        {run && <RunGpus run={run} showMachine={this._options.showMachine} />}
      </ViewRoot>
    );
  }

  private readonly _options: IGpuBarOptions;
}
