/** The side panel. */

import { ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import { RunsStore } from '../state/runs.js';
import { runicornIcon } from '../ui/icons.js';
import type { Runicorn } from '../ui/context.js';
import { PANEL_ID } from '../ids.js';
import { later } from '../ui/later.js';
import { ViewRoot } from '../ui/shared.js';
import { whileVisible } from '../ui/visibility.js';
import type { IPanelActions } from './actions.js';

const PanelBody = later(async () => (await import('./PanelBody.js')).PanelBody);

/**
 * The panel as a widget.
 *
 * While it can be seen, the runs that go on are followed, and the machines are looked at where a strip has
 * something to show. What is in it is a chunk of its own, loaded when the panel is seen for the first time.
 */
export class RunicornPanel extends ReactWidget {
  constructor(runicorn: Runicorn, actions: IPanelActions) {
    super();
    this._runicorn = runicorn;
    this._actions = actions;
    this.id = PANEL_ID;
    this.addClass('rj-Panel');
    this.title.icon = runicornIcon;
    this.title.caption = runicorn.trans.__('Runicorn');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', runicorn.trans.__('Runicorn'));
    whileVisible(this, () => runicorn.machines.followUsed());
    const { client, store } = runicorn;
    this._live = new RunsStore(client, store, { status: 'running' });
    this.disposed.connect(() => this._live.dispose());
    whileVisible(this, () => {
      this._wasSeen = true;
      this.update();
      return this._live.follow();
    });
  }

  override render(): JSX.Element | null {
    return this._wasSeen ? (
      <ViewRoot runicorn={this._runicorn}>
        <PanelBody actions={this._actions} live={this._live} />
      </ViewRoot>
    ) : null;
  }

  private readonly _runicorn: Runicorn;
  private readonly _live: RunsStore;
  private readonly _actions: IPanelActions;
  private _wasSeen = false;
}
