/** What lies over a viewer's frame while there is nothing to show, or something to say. */

import { ReactWidget } from '@jupyterlab/apputils';
import type { ISignal } from '@lumino/signaling';
import React from 'react';

import { Declined } from '../state/connectFlow.js';
import { LaterLogView } from '../ui/laterLog.js';
import { ErrorNote, useRunicorn, ViewRoot } from '../ui/shared.js';
import { stepLabel } from '../ui/messages.js';
import type { ViewerLocation } from '../state/viewerLocation.js';
import type { Runicorn } from '../ui/context.js';
import { openExternally } from './external.js';
import type { PageState, View } from './view.js';

/** The frame that an overlay lies over, as the overlay sees it. */
export interface IOverlaidFrame {
  readonly runicorn: Runicorn;
  readonly at: ViewerLocation;
  readonly view: View;
  readonly page: PageState;
  readonly viewChanged: ISignal<unknown, void>;
  readonly showPanel: () => void;
  open(): Promise<void>;
  restart(): Promise<void>;
  reload(): void;
  showAnyway(): void;
}

/** The overlay as a widget. */
export class Overlay extends ReactWidget {
  constructor(frame: IOverlaidFrame) {
    super();
    this.addClass('rj-Overlay-holder');
    this._frame = frame;
  }

  override render(): JSX.Element {
    return (
      <ViewRoot runicorn={this._frame.runicorn}>
        <OverlayBody frame={this._frame} />
      </ViewRoot>
    );
  }

  private readonly _frame: IOverlaidFrame;
}

interface IOverlay {
  frame: IOverlaidFrame;
  busy: boolean;
  error: unknown;
  showLogs: boolean;
  setShowLogs: (show: boolean) => void;
  open: () => void;
  restart: () => void;
}

function useOverlay(frame: IOverlaidFrame): IOverlay {
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  const [busy, setBusy] = React.useState(false);
  const [error, setError] = React.useState<unknown>(null);
  const [showLogs, setShowLogs] = React.useState(false);
  const { kind } = frame.view;

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
  }, [kind]);

  const run = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (reason) {
      setError(reason instanceof Declined ? null : reason);
    } finally {
      setBusy(false);
    }
  };
  return {
    ...{ frame, busy, error, showLogs, setShowLogs },
    open: () => void run(() => frame.open()),
    restart: () => void run(() => frame.restart())
  };
}

function OverlayBody(props: { frame: IOverlaidFrame }): JSX.Element | null {
  const { trans, store } = useRunicorn();
  const overlay = useOverlay(props.frame);
  const { frame, busy, error } = overlay;
  const { view, page } = frame;
  if (view.kind === 'running' && page === 'loaded') {
    return null;
  }
  const isWaiting =
    busy ||
    ['waiting', 'connecting', 'starting', 'reconnecting'].includes(view.kind) ||
    (view.kind === 'running' && page === 'loading');
  const connectionId = 'connection' in view ? view.connection.connection_id : '';
  const step = store.step(connectionId);
  const seeThrough = ['reconnecting', 'unresponsive'].includes(view.kind) && page === 'loaded';
  return (
    <div className="rj-Overlay" data-see-through={seeThrough || undefined}>
      <div className="rj-Overlay-card">
        <div className="rj-Overlay-say" role="status">
          {isWaiting && <span className="rj-Spinner" aria-hidden />}
          <OverlayMessage frame={frame} busy={busy} />
          {busy && step && <span className="rj-Quiet">{stepLabel(trans, step)}</span>}
        </div>
        {error !== null && <OverlayError overlay={overlay} />}
        <div className="rj-Actions">
          <OverlayActions overlay={overlay} />
        </div>
        {overlay.showLogs && connectionId && <LaterLogView connectionId={connectionId} />}
      </div>
    </div>
  );
}

function OverlayError(props: { overlay: IOverlay }): JSX.Element {
  const { frame, error, open, restart } = props.overlay;
  const { runicorn, at } = frame;
  const usePassword = (): void => {
    runicorn.draft({
      host: at.host,
      username: at.username ?? '',
      port: at.port && at.port !== 22 ? String(at.port) : '',
      authMethod: 'password'
    });
    frame.showPanel();
  };
  return (
    <ErrorNote
      reason={error}
      trans={runicorn.trans}
      remedies={{
        retry: frame.view.kind === 'unresponsive' ? restart : open,
        password: usePassword,
        'reload-page': () => location.reload()
      }}
    />
  );
}

function OverlayActions(props: { overlay: IOverlay }): JSX.Element | null {
  const { frame, busy, open, restart, showLogs, setShowLogs } = props.overlay;
  const { view, page, runicorn } = frame;
  const { trans } = runicorn;
  const button = (label: string, press: () => void, kind = ''): JSX.Element => (
    <button type="button" className={`rj-Button ${kind}`} onClick={press}>
      {label}
    </button>
  );
  if (busy) {
    return null;
  }
  switch (view.kind) {
    case 'absent':
      return button(trans.__('Connect and open'), open, 'rj-mod-primary');
    case 'idle':
      return button(trans.__('Open viewer'), open, 'rj-mod-primary');
    case 'reconnecting':
      return button(trans.__('Show the connection'), frame.showPanel, 'rj-mod-quiet');
    case 'unresponsive':
      return (
        <>
          {button(trans.__('Restart viewer'), restart, 'rj-mod-primary')}
          {button(trans.__('Logs'), () => setShowLogs(!showLogs))}
        </>
      );
    case 'crashed':
      return (
        <>
          {button(trans.__('Start it again'), open, 'rj-mod-primary')}
          {button(trans.__('Logs'), () => setShowLogs(!showLogs))}
        </>
      );
    case 'running':
      return page === 'silent' ? (
        <>
          {button(
            trans.__('Open in a browser tab'),
            () => openExternally(runicorn, frame.at.host, view.url),
            'rj-mod-primary'
          )}
          {button(trans.__('Try again'), () => frame.reload())}
          {button(trans.__('Show it anyway'), () => frame.showAnyway(), 'rj-mod-quiet')}
        </>
      ) : null;
    default:
      return null;
  }
}

function OverlayMessage(props: { frame: IOverlaidFrame; busy: boolean }): JSX.Element {
  const [title, hint] = messageOf(props.frame, props.busy);
  return (
    <div>
      <strong>{title}</strong>
      {hint && <p className="rj-Quiet">{hint}</p>}
    </div>
  );
}

function messageOf(frame: IOverlaidFrame, busy: boolean): [title: string, hint?: string] {
  const { view, page, at, runicorn } = frame;
  const { trans } = runicorn;
  const what = at.env_name ? `${at.host} · ${at.env_name}` : at.host;
  if (busy) {
    return [trans.__('Opening the viewer of %1…', what)];
  }
  switch (view.kind) {
    case 'waiting':
      return [trans.__('Asking the Jupyter server…')];
    case 'absent':
      return [
        what,
        trans.__('You are not connected to this server. The viewer opens once you are.')
      ];
    case 'connecting':
      return [trans.__('Connecting to %1…', at.host)];
    case 'idle':
      return [what, trans.__('You are connected, but this viewer is not running.')];
    case 'starting':
      return [trans.__('Starting the viewer of %1…', what)];
    case 'reconnecting':
      return [
        trans.__('Reconnecting to %1…', at.host),
        trans.__('The viewer goes on as soon as the connection is back.')
      ];
    case 'unresponsive':
      return [
        trans.__('The viewer of %1 does not answer.', what),
        trans.__('It may come back by itself. Your training runs are not affected.')
      ];
    case 'crashed':
      return [
        trans.__('The viewer of %1 ended unexpectedly.', what),
        trans.__('Your training runs are not affected.')
      ];
    default:
      return page === 'silent'
        ? [
            trans.__('The viewer does not show up here.'),
            trans.__(
              'Something between this page and Jupyter, such as a login of your organisation, may keep it from this frame. It may work in a browser tab of its own.'
            )
          ]
        : [trans.__('Loading the viewer of %1…', what)];
  }
}
