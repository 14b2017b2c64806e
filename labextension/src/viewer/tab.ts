/** A viewer as a tab of the main area. */

import { MainAreaWidget } from '@jupyterlab/apputils';

import { runicornIcon } from '../ui/icons.js';
import { locationKey } from '../state/viewerLocation.js';
import { connectionLabel, viewerLabel } from '../ui/messages.js';
import { ViewerFrame, type IFrameOptions } from './frame.js';

/** The tab. Its title tells the host and environment, its badge how the viewer is. */
export class ViewerTab extends MainAreaWidget<ViewerFrame> {
  constructor(options: IFrameOptions) {
    const { at } = options;
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
}
