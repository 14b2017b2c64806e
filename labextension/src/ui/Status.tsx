/** The item of the status bar: how many connections there are. */

import { ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import { runicornIcon } from './icons.js';
import type { Runicorn } from './context.js';
import { useRunicorn, ViewRoot } from './shared.js';

/** Shows the number of connections; opens the panel when pressed. */
export class StatusItem extends ReactWidget {
  constructor(runicorn: Runicorn, showPanel: () => void) {
    super();
    this.addClass('rj-Status');
    this._runicorn = runicorn;
    this._showPanel = showPanel;
  }

  override render(): JSX.Element {
    return (
      <ViewRoot runicorn={this._runicorn} isSmall>
        <StatusButton onPress={this._showPanel} />
      </ViewRoot>
    );
  }

  private readonly _runicorn: Runicorn;
  private readonly _showPanel: () => void;
}

function StatusButton(props: { onPress: () => void }): JSX.Element {
  const { store, trans } = useRunicorn();
  const { connections } = store;
  const up = connections.filter(item => item.status === 'connected').length;
  const down = connections.length - up;
  const words = trans._n('%1 Runicorn connection', '%1 Runicorn connections', connections.length);
  const hung = connections.filter(
    item => item.status === 'connected' && item.viewer?.health === 'unresponsive'
  ).length;
  const label = [
    down > 0 ? trans.__('%1, %2 not connected', words, down) : words,
    hung > 0 && trans._n('%1 viewer does not answer', '%1 viewers do not answer', hung)
  ]
    .filter(Boolean)
    .join('\n');
  return (
    <button
      type="button"
      className="rj-Status-button"
      data-down={down + hung > 0 || undefined}
      aria-label={label}
      title={label}
      onClick={props.onPress}
    >
      <runicornIcon.react tag="span" elementSize="normal" />
      {down + hung > 0 && <span className="rj-Dot" aria-hidden />}
      <span>{down > 0 ? `${up}/${connections.length}` : connections.length}</span>
    </button>
  );
}
