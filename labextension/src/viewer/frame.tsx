/** The frame that shows a viewer, and what lies over it while there is nothing to show. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import { Signal, type ISignal } from '@lumino/signaling';
import { Panel, Widget } from '@lumino/widgets';
import React from 'react';

import { Declined } from '../flow.js';
import type { Runicorn } from '../model.js';
import { ErrorNote, RunicornContext, useRunicorn } from '../panel/shared.js';
import { LogView } from '../panel/LogView.js';
import type { ICoordinate } from '../tokens.js';
import { stepWord } from '../words.js';
import { viewOf, type View } from './view.js';

/** The words of the page's own Content-Security-Policy; see DESIGN.md, "The viewer's origin". */
const SANDBOX = 'allow-scripts allow-forms allow-popups allow-downloads allow-modals';
/** What the script that the proxy puts into each page posts once the page runs. */
const LOADED_MESSAGE = 'runicorn:loaded';
/** How long a page may take to say that it runs, in milliseconds (DESIGN.md). */
const LOAD_LIMIT = 10_000;

/** Whether the page in the frame is there: being fetched, running, or silent for too long. */
export type PageState = 'loading' | 'loaded' | 'silent';

/** Shows the viewer at a place, whatever happens to the connection. */
export class ViewerFrame extends Panel {
  constructor(runicorn: Runicorn, at: ICoordinate, showPanel: () => void) {
    super();
    this.addClass('rj-Frame');
    // Lab lets the mouse through such frames while something is dragged over them.
    this.addClass('jp-IFrame');
    this.runicorn = runicorn;
    this.at = at;
    this.showPanel = showPanel;
    this._iframe.setAttribute('sandbox', SANDBOX);
    this._iframe.setAttribute('allow', 'clipboard-write');
    this._iframe.setAttribute('referrerpolicy', 'no-referrer');
    this._iframe.className = 'rj-Frame-page';
    const holder = new Widget({ node: document.createElement('div') });
    holder.addClass('rj-Frame-holder');
    holder.node.append(this._iframe);
    this.addWidget(holder);
    this.addWidget(new Overlay(this));
    runicorn.store.changed.connect(this._update, this);
    window.addEventListener('message', this);
    this._update();
  }

  readonly runicorn: Runicorn;
  readonly at: ICoordinate;
  readonly showPanel: () => void;

  /** Emitted when there is something else to show. */
  get viewChanged(): ISignal<this, void> {
    return this._viewChanged;
  }

  /** What there is to show. */
  get view(): View {
    return this._view;
  }

  /** Whether the page in the frame is there. */
  get page(): PageState {
    return this._page;
  }

  /** Show the frame though its page has not said that it runs. */
  showAnyway(): void {
    this._setPage('loaded');
  }

  /** Fetch the page again. */
  reload(): void {
    if (this._url) {
      this._load(this._url);
    }
  }

  /** Connect if need be, and have the viewer run. */
  async open(): Promise<void> {
    const { runicorn, at } = this;
    const { flow, store } = runicorn;
    const profile = store.profiles.find(
      item => item.host === at.host && (!at.username || item.username === at.username)
    );
    let connection = store.find(at);
    if (!connection || connection.status === 'disconnected') {
      const { connection_id } = await flow.connect({
        host: at.host,
        port: at.port ?? undefined,
        username: at.username ?? undefined,
        authMethod: profile?.auth_method === 'agent' ? 'agent' : 'key',
        privateKeyPath: profile?.private_key_path ?? undefined,
        timeout: runicorn.settings.timeout
      });
      connection = store.connection(connection_id);
    }
    if (connection && at.env_name) {
      await flow.startViewer(connection.connection_id, at.env_name, {
        remoteRoot: at.remote_root ?? undefined,
        autoOpen: false
      });
    } else {
      this.showPanel();
    }
  }

  handleEvent(event: MessageEvent): void {
    if (event.source !== null && event.source === this._iframe.contentWindow) {
      const data: unknown = event.data;
      if ((data as { type?: unknown } | null)?.type === LOADED_MESSAGE) {
        this._setPage('loaded');
      }
    }
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    window.removeEventListener('message', this);
    window.clearTimeout(this._timer);
    this.runicorn.store.changed.disconnect(this._update, this);
    super.dispose();
  }

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    if (this._view.kind === 'running') {
      this._iframe.focus();
    } else {
      this.node.querySelector<HTMLElement>('.rj-Overlay button')?.focus();
    }
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    // A frame that is moved in the document is fetched again by the browser.
    if (this._url) {
      this._load(this._url);
    }
  }

  private _update(): void {
    const view = viewOf(this.runicorn.store, this.at);
    const changed = view.kind !== this._view.kind;
    this._view = view;
    if (
      view.kind === 'running' &&
      (view.url !== this._url || (changed && this._page !== 'loaded'))
    ) {
      this._url = view.url;
      if (this.isAttached) {
        this._load(view.url);
      }
    } else if (view.kind === 'absent' || view.kind === 'idle' || view.kind === 'crashed') {
      this._unload();
    }
    this.node.dataset.view = view.kind;
    this._viewChanged.emit();
  }

  private _load(url: string): void {
    this._setPage('loading');
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      if (this._page === 'loading') {
        this._setPage('silent');
      }
    }, LOAD_LIMIT);
    this._iframe.src = url;
  }

  private _unload(): void {
    if (this._url) {
      this._url = '';
      window.clearTimeout(this._timer);
      this._iframe.removeAttribute('src');
      this._page = 'loading';
    }
  }

  private _setPage(page: PageState): void {
    this._page = page;
    this.node.dataset.page = page;
    this._viewChanged.emit();
  }

  private readonly _iframe = document.createElement('iframe');
  private readonly _viewChanged = new Signal<this, void>(this);
  private _view: View = { kind: 'waiting' };
  private _page: PageState = 'loading';
  private _url = '';
  private _timer = 0;
}

/** Lies over the frame while there is something to say. */
class Overlay extends ReactWidget {
  constructor(frame: ViewerFrame) {
    super();
    this.addClass('rj-Overlay-holder');
    this._frame = frame;
  }

  override render(): JSX.Element {
    return (
      <RunicornContext.Provider value={this._frame.runicorn}>
        <OverlayBody frame={this._frame} />
      </RunicornContext.Provider>
    );
  }

  private readonly _frame: ViewerFrame;
}

function OverlayBody(props: { frame: ViewerFrame }): JSX.Element | null {
  const { frame } = props;
  const { trans, store } = useRunicorn();
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  const [busy, setBusy] = React.useState(false);
  const [error, setError] = React.useState<unknown>(null);
  const [showLogs, setShowLogs] = React.useState(false);
  const { view, page, at } = frame;

  React.useEffect(() => {
    frame.viewChanged.connect(render);
    render();
    return () => {
      frame.viewChanged.disconnect(render);
    };
  }, [frame]);

  React.useEffect(() => {
    setError(null);
    setShowLogs(false);
  }, [view.kind]);

  const open = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await frame.open();
    } catch (reason) {
      if (!(reason instanceof Declined)) {
        setError(reason);
      }
    } finally {
      setBusy(false);
    }
  };

  if (view.kind === 'running' && page === 'loaded') {
    return null;
  }
  const isWaiting =
    busy ||
    ['waiting', 'connecting', 'starting', 'reconnecting'].includes(view.kind) ||
    (view.kind === 'running' && page === 'loading');
  const connectionId = 'connection' in view ? view.connection.connection_id : '';
  const seeThrough = view.kind === 'reconnecting' && page === 'loaded';
  return (
    <div className="rj-Overlay" data-see-through={seeThrough || undefined}>
      <div className="rj-Overlay-card">
        <div className="rj-Overlay-say" role="status">
          {isWaiting && <span className="rj-Spinner" aria-hidden />}
          <OverlayWords frame={frame} busy={busy} />
        </div>
        {busy && store.step(connectionId) && (
          <p className="rj-Quiet">{stepWord(trans, store.step(connectionId))}</p>
        )}
        {error !== null && (
          <ErrorNote
            reason={error}
            trans={trans}
            remedies={{
              retry: () => void open(),
              password: () => {
                frame.runicorn.draft({
                  host: at.host,
                  username: at.username ?? '',
                  port: at.port && at.port !== 22 ? String(at.port) : '',
                  authMethod: 'password'
                });
                frame.showPanel();
              },
              'reload-page': () => location.reload()
            }}
          />
        )}
        <div className="rj-Actions">
          {!busy && view.kind === 'absent' && (
            <button type="button" className="rj-Button rj-mod-primary" onClick={() => void open()}>
              {trans.__('Connect and open')}
            </button>
          )}
          {!busy && view.kind === 'idle' && (
            <button type="button" className="rj-Button rj-mod-primary" onClick={() => void open()}>
              {trans.__('Open viewer')}
            </button>
          )}
          {!busy && view.kind === 'crashed' && (
            <>
              <button
                type="button"
                className="rj-Button rj-mod-primary"
                onClick={() => void open()}
              >
                {trans.__('Start it again')}
              </button>
              <button
                type="button"
                className="rj-Button"
                aria-expanded={showLogs}
                onClick={() => setShowLogs(!showLogs)}
              >
                {trans.__('Logs')}
              </button>
            </>
          )}
          {view.kind === 'running' && page === 'silent' && (
            <>
              <button
                type="button"
                className="rj-Button rj-mod-primary"
                onClick={() => window.open(view.url, '_blank', 'noopener')}
              >
                {trans.__('Open in a browser tab')}
              </button>
              <button type="button" className="rj-Button" onClick={() => frame.reload()}>
                {trans.__('Try again')}
              </button>
              <button
                type="button"
                className="rj-Button rj-mod-quiet"
                onClick={() => frame.showAnyway()}
              >
                {trans.__('Show it anyway')}
              </button>
            </>
          )}
          {view.kind === 'reconnecting' && (
            <button type="button" className="rj-Button rj-mod-quiet" onClick={frame.showPanel}>
              {trans.__('Show the connection')}
            </button>
          )}
        </div>
        {showLogs && connectionId && <LogView connectionId={connectionId} />}
      </div>
    </div>
  );
}

function OverlayWords(props: { frame: ViewerFrame; busy: boolean }): JSX.Element {
  const { view, page, at, runicorn } = props.frame;
  const { trans } = runicorn;
  const what = at.env_name ? `${at.host} · ${at.env_name}` : at.host;
  const say = (title: string, hint = ''): JSX.Element => (
    <div>
      <strong>{title}</strong>
      {hint && <p className="rj-Quiet">{hint}</p>}
    </div>
  );
  if (props.busy) {
    return say(trans.__('Opening the viewer of %1…', what));
  }
  switch (view.kind) {
    case 'waiting':
      return say(trans.__('Asking the Jupyter server…'));
    case 'absent':
      return say(
        what,
        trans.__('You are not connected to this server. The viewer opens once you are.')
      );
    case 'connecting':
      return say(trans.__('Connecting to %1…', at.host));
    case 'idle':
      return say(what, trans.__('You are connected, but this viewer is not running.'));
    case 'starting':
      return say(trans.__('Starting the viewer of %1…', what));
    case 'reconnecting':
      return say(
        trans.__('Reconnecting to %1…', at.host),
        trans.__('The viewer goes on as soon as the connection is back.')
      );
    case 'crashed':
      return say(
        trans.__('The viewer of %1 ended unexpectedly.', what),
        trans.__('Your training runs are not affected.')
      );
    default:
      return page === 'silent'
        ? say(
            trans.__('The viewer does not show up here.'),
            trans.__(
              'Something between this page and Jupyter, such as a login of your organisation, may keep it from this frame. It may work in a browser tab of its own.'
            )
          )
        : say(trans.__('Loading the viewer of %1…', what));
  }
}
