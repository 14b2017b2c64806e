/** A viewer as a tab of the main area. */

import { MainAreaWidget } from '@jupyterlab/apputils';

import { runicornIcon } from '../icons.js';
import { keyOf } from '../tokens.js';
import { connectionWord, viewerWord } from '../words.js';
import { ViewerFrame, type IFrameOptions } from './frame.js';

/** The tab. Its title tells the host and environment, its badge how the viewer is. */
export class ViewerTab extends MainAreaWidget<ViewerFrame> {
  constructor(options: IFrameOptions) {
    const { at } = options;
    super({ content: new ViewerFrame(options) });
    this.id = `runicorn-viewer-${keyOf(at)}`;
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
        ? connectionWord(trans, 'disconnected')
        : view.kind === 'reconnecting' || view.kind === 'connecting'
          ? connectionWord(trans, view.kind)
          : viewerWord(trans, view.kind === 'idle' ? 'stopped' : view.kind);
    this.title.className = `rj-Tab rj-mod-${view.kind}`;
    this.title.caption = [this.title.label, at.remote_root ?? '', word].filter(Boolean).join('\n');
  }
}
