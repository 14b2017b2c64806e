/** The machines of all servers as a tab; what is in it is a chunk of its own. */

import { MainAreaWidget, ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import type { Run } from '../api/client.js';
import { MACHINES_ID } from '../ids.js';
import type { Runicorn } from '../ui/context.js';
import { machinesIcon } from '../ui/icons.js';
import { later } from '../ui/later.js';
import { ViewRoot } from '../ui/shared.js';
import { whileVisible } from '../ui/visibility.js';
import type { IReveal } from './MachinesBody.js';

const MachinesBody = later(async () => (await import('./MachinesBody.js')).MachinesBody);

/** The view as a tab of the main area; the machines are looked at while it can be seen. */
export class MachinesView extends MainAreaWidget<ReactWidget> {
  /**
   * @param openRun - Shows a run's page in the tab of its viewer.
   * @param showPanel - Shows the side panel.
   */
  constructor(runicorn: Runicorn, openRun: (run: Run) => void, showPanel: () => void) {
    const { trans } = runicorn;
    const reveal: IReveal = { connectionId: null };
    const content = ReactWidget.create(
      <ViewRoot runicorn={runicorn}>
        <MachinesBody openRun={openRun} showPanel={showPanel} reveal={reveal} />
      </ViewRoot>
    );
    content.addClass('rj-Machines');
    super({ content });
    this.id = MACHINES_ID;
    this.toolbar.hide();
    this.title.label = trans.__('Machines');
    this.title.caption = trans.__('Machines of all servers');
    this.title.icon = machinesIcon;
    this.title.closable = true;
    whileVisible(this, () => runicorn.machines.follow());
    this._reveal = reveal;
  }

  /** Bring the machine behind a connection into sight, with the keyboard, as soon as it is shown. */
  reveal(connectionId: string): void {
    this._reveal.connectionId = connectionId;
    this.content.update();
  }

  private readonly _reveal: IReveal;
}
