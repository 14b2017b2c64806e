/** A viewer as a tab of the main area. */

import { MainAreaWidget } from '@jupyterlab/apputils';

import type { Run } from '../api/client.js';
import { runicornIcon } from '../ui/icons.js';
import { locationKey } from '../state/viewerLocation.js';
import { connectionLabel, viewerLabel } from '../ui/messages.js';
import { whileVisible } from '../ui/visibility.js';
import { ViewerFrame, type IFrameOptions } from './frame.js';
import { GpuBar } from './gpuBar.js';
import { isRunPage, runAt } from './view.js';

/** The tab. Its title tells the host and environment, its badge how the viewer is. */
export class ViewerTab extends MainAreaWidget<ViewerFrame> {
  /**
   * @param showMachine - Shows the machine behind a connection.
   */
  constructor(options: IFrameOptions, showMachine: (connectionId: string) => void) {
    const { at, runicorn } = options;
    super({ content: new ViewerFrame(options) });
    this.id = `runicorn-viewer-${locationKey(at)}`;
    this.addClass('rj-Tab-content');
    this.toolbar.hide();
    this.title.label = at.env_name ? `${at.host} · ${at.env_name}` : at.host;
    this.title.icon = runicornIcon;
    this.title.closable = true;
    this.title.dataset = { ...this.title.dataset, 'rj-viewer': this.id };
    this.content.viewChanged.connect(this._describe, this);
    this._describe();
    this._bar = new GpuBar({ runicorn, run: () => this._run, showMachine });
    this._bar.hide();
    this.contentHeader.addWidget(this._bar);
    const { machines } = runicorn;
    whileVisible(this, () => machines.follow(() => this._isAtRun));
    machines.changed.connect(this._showGpus, this);
    this.content.viewChanged.connect(this._reconsider, this);
    this.content.fragmentChanged.connect(this._reconsider, this);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.content.runicorn.machines.changed.disconnect(this._showGpus, this);
    }
    super.dispose();
  }

  /** Whether the page of a run is shown. */
  private get _isAtRun(): boolean {
    return this.content.view.kind === 'running' && isRunPage(this.content.fragment);
  }

  /** The run whose page is shown, if it is on a GPU. */
  private get _run(): Run | undefined {
    const { view, fragment, runicorn } = this.content;
    return this._isAtRun && 'connection' in view
      ? runAt(runicorn.machines.runsOn(view.connection.connection_id), fragment)
      : undefined;
  }

  private _reconsider(): void {
    this.content.runicorn.machines.reconsider();
    this._showGpus();
  }

  private _showGpus(): void {
    this._bar.setHidden(this._run === undefined);
    this._bar.update();
  }

  private _describe(): void {
    const { view, at, runicorn } = this.content;
    const { trans } = runicorn;
    const word =
      view.kind === 'absent' || view.kind === 'waiting'
        ? connectionLabel(trans, 'disconnected')
        : view.kind === 'reconnecting' || view.kind === 'connecting'
          ? connectionLabel(trans, view.kind)
          : viewerLabel(trans, view.kind === 'idle' ? 'stopped' : view.kind);
    this.title.className = `rj-Tab rj-mod-${view.kind}`;
    this.title.caption = [this.title.label, at.remote_root ?? '', word].filter(Boolean).join('\n');
  }

  private readonly _bar: GpuBar;
}
