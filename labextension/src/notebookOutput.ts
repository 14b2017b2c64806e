/** The notebook outputs that show a viewer. */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { Message } from '@lumino/messaging';
import { Panel } from '@lumino/widgets';

import type { Runicorn } from './ui/context.js';
import { MIME_TYPE } from './ids.js';
import { parseLocation } from './state/viewerLocation.js';
import { ViewerFrame } from './viewer/frame.js';

/** The height of an output that doesn't say one, in CSS pixels. */
const DEFAULT_HEIGHT = 600;

/** Draws one output: the live viewer where it can be had, else a button to open it. */
class ViewerOutput extends Panel implements IRenderMime.IRenderer {
  constructor(runicorn: Runicorn, showPanel: () => void) {
    super();
    this.addClass('rj-Output');
    this._runicorn = runicorn;
    this._showPanel = showPanel;
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const data = model.data[MIME_TYPE];
    const at = parseLocation(data);
    const { height } = (data ?? {}) as { height?: unknown };
    for (const widget of [...this.widgets]) {
      widget.dispose();
    }
    if (at === null) {
      this.node.textContent = this._runicorn.trans.__(
        'This output does not say which viewer it is.'
      );
      return;
    }
    this.node.style.height = `${typeof height === 'number' && height >= 100 ? height : DEFAULT_HEIGHT}px`;
    this.addWidget(
      new ViewerFrame({
        ...{ runicorn: this._runicorn, at, showPanel: this._showPanel },
        isTrusted: model.trusted
      })
    );
  }

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.widgets[0]?.activate();
  }

  private readonly _runicorn: Runicorn;
  private readonly _showPanel: () => void;
}

/**
 * Make the factory of such outputs.
 *
 * It draws no content of the notebook, so it is safe; where one that is not trusted leads to is
 * asked about before anything is sent.
 */
export function createRendererFactory(
  runicorn: Runicorn,
  showPanel: () => void
): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [MIME_TYPE],
    defaultRank: 10,
    createRenderer: () => new ViewerOutput(runicorn, showPanel)
  };
}
