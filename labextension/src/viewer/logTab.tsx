/** A tab with what a viewer printed. */

import { ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import type { ConnectionInfo } from '../api/client.js';
import { runicornIcon } from '../ui/icons.js';
import { LaterLogView } from '../ui/laterLog.js';
import { ViewRoot } from '../ui/shared.js';
import type { Runicorn } from '../ui/context.js';

/** The log of a connection's viewer, as wide as there is room. */
export class LogTab extends ReactWidget {
  constructor(runicorn: Runicorn, connection: ConnectionInfo) {
    super();
    this._runicorn = runicorn;
    this.connectionId = connection.connection_id;
    this.id = `runicorn-log-${this.connectionId}`;
    this.addClass('rj-LogTab');
    this.title.label = runicorn.trans.__('Log of %1', connection.host);
    this.title.icon = runicornIcon;
    this.title.closable = true;
  }

  readonly connectionId: string;

  override render(): JSX.Element {
    return (
      <ViewRoot runicorn={this._runicorn}>
        <LaterLogView connectionId={this.connectionId} />
      </ViewRoot>
    );
  }

  private readonly _runicorn: Runicorn;
}
