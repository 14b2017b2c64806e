/** The runs of all servers as a tab; what is in it is a chunk of its own. */

import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import { runicornIcon } from '../ui/icons.js';
import { later } from '../ui/later.js';
import { ViewRoot } from '../ui/shared.js';
import { whileVisible } from '../ui/visibility.js';
import { RUNS_ID } from '../ids.js';
import { LayoutKeeper } from './LayoutKeeper.js';
import { GPU } from './layout.js';
import type { IRunsViewOptions } from './RunsBody.js';

const RunsBody = later(async () => (await import('./RunsBody.js')).RunsBody);

/** The view as a tab of the main area. */
export class RunsView extends MainAreaWidget<ReactWidget> {
  constructor(options: IRunsViewOptions) {
    const { trans, runs, machines } = options.runicorn;
    const { runicorn, state } = options;
    const keeper = new LayoutKeeper(state, () => runicorn.settings.runsTable);
    const content = ReactWidget.create(
      <ViewRoot runicorn={runicorn}>
        <RunsBody {...options} keeper={keeper} />
      </ViewRoot>
    );
    content.addClass('rj-Runs');
    super({ content });
    this.id = RUNS_ID;
    this.toolbar.hide();
    this.title.label = trans.__('Runs');
    this.title.caption = trans.__('Runs of all servers');
    this.title.icon = runicornIcon;
    this.title.closable = true;
    const following = runs.follow();
    this.disposed.connect(() => following.dispose());
    const hasUse = (): boolean =>
      keeper.layout.columns.some(column => column.id === GPU) &&
      runs.runs.some(run => run.status === 'running');
    whileVisible(this, () => machines.follow(hasUse));
    const reconsider = (): void => machines.reconsider();
    runs.changed.connect(reconsider);
    keeper.changed.connect(reconsider);
    this.disposed.connect(() => runs.changed.disconnect(reconsider));
  }
}
