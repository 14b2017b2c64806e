/** A connection: its state, its environments, its viewer. */

import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { ConnectionInfo, Viewer } from '../api/client.js';
import type { Runicorn } from '../ui/context.js';
import {
  connectionLabel,
  latencyLabel,
  pipCommand,
  stepLabel,
  viewerLabel
} from '../ui/messages.js';
import type { IPanelActions } from './actions.js';
import type { IConnected } from './ConnectForm.js';
import { EnvironmentField, StorageField, usableOf, WithoutRunicorn } from './EnvironmentField.js';
import { GpuStrip } from './GpuStrip.js';
import { LiveLines } from './LiveRuns.js';
import { OnThisServer } from './OnThisServer.js';
import { LogView } from '../ui/LogView.js';
import { ServerWords } from '../ui/ServerWords.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';
import { useCard, type ICard } from './useCard.js';

interface ICardProps {
  connection: ConnectionInfo;
  expanded: boolean;
  /** What a connection that was just made is to show. */
  wanted: IConnected | null;
  onToggle: () => void;
  onConnected: (what: IConnected) => void;
  actions: IPanelActions;
}

/** The card. */
export function ConnectionCard(props: ICardProps): JSX.Element {
  const { connection, expanded } = props;
  const { trans } = useRunicorn();
  const bodyId = React.useId();
  const word = connectionLabel(trans, connection.status);
  return (
    <li
      className="rj-Card"
      data-status={connection.status}
      data-connection={connection.connection_id}
    >
      <CardHeader {...props} bodyId={bodyId} />
      <div
        className={connection.status === 'connected' ? 'rj-VisuallyHidden' : 'rj-Card-state'}
        role="status"
      >
        {word}
      </div>
      <GpuStrip connectionId={connection.connection_id} openRun={props.actions.openRun} />
      <LiveLines
        connectionId={connection.connection_id}
        isConnected={connection.status === 'connected'}
        actions={props.actions}
      />
      {expanded && (
        <div id={bodyId} className="rj-Card-body">
          <CardBody {...props} />
        </div>
      )}
    </li>
  );
}

function CardHeader(props: ICardProps & { bodyId: string }): JSX.Element {
  const { connection, expanded, wanted } = props;
  const runicorn = useRunicorn();
  const toggle = React.useRef<HTMLButtonElement>(null);
  const port = connection.port === 22 ? '' : `:${connection.port}`;
  const where = `${connection.username}@${connection.host}${port}`;
  const caret = expanded ? caretDownIcon : caretRightIcon;

  React.useEffect(() => {
    // The form that had the focus is gone.
    if (wanted && document.activeElement === document.body) {
      toggle.current?.focus();
    }
  }, [wanted]);

  return (
    <div className="rj-Card-header">
      <button
        ref={toggle}
        type="button"
        className="rj-Card-toggle"
        aria-expanded={expanded}
        aria-controls={props.bodyId}
        onClick={props.onToggle}
      >
        <caret.react tag="span" />
        <span className="rj-Dot" aria-hidden />
        <span className="rj-Card-title">
          <strong>{connection.host}</strong>
          <span className="rj-Card-subtitle" title={where}>
            {where}
          </span>
        </span>
      </button>
      <Latency connection={connection} runicorn={runicorn} />
    </div>
  );
}

function Latency(props: { connection: ConnectionInfo; runicorn: Runicorn }): JSX.Element | null {
  const { store, trans, dates } = props.runicorn;
  const { connection_id: id, status } = props.connection;
  const latency = store.latency(id);
  if (status !== 'connected' || !latency) {
    return null;
  }
  return (
    <button
      type="button"
      className="rj-Latency"
      title={trans.__(
        'Time of a round trip, measured at %1. Press to measure again.',
        dates.clock(latency.at)
      )}
      onClick={() => void store.measure(id)}
    >
      {latencyLabel(trans, latency.ms)}
    </button>
  );
}

function CardBody(props: ICardProps): JSX.Element {
  const { connection } = props;
  const card = useCard(connection, props.wanted, props.onConnected, props.actions.openViewer);
  const { trans, store } = card.runicorn;
  const { connection_id: id, viewer } = connection;
  const environments = store.environments(id);
  const step = store.step(id);
  return (
    <>
      {connection.multiplexed && (
        <p className="rj-Quiet">{trans.__('Over the connection that your ssh has open')}</p>
      )}
      {step?.said && connection.status === 'reconnecting' && (
        <ServerWords text={step.said} trans={trans} />
      )}
      <EnvironmentField
        environments={environments}
        value={card.envName}
        disabled={!card.isReady}
        trans={trans}
        onChange={card.setEnvName}
        onDetect={card.detect}
        onSetUp={card.setUp}
      />
      {environments.error !== null && (
        <ErrorNote reason={environments.error} trans={trans} remedies={{ retry: card.detect }} />
      )}
      {usableOf(environments).length > 0 && (
        <StorageField
          value={card.root}
          environment={card.environment}
          candidates={environments.candidates}
          disabled={!card.isReady}
          trans={trans}
          onChange={card.setRoot}
        />
      )}
      <WithoutRunicorn environments={environments} trans={trans} />
      {viewer && <ViewerLine connection={connection} card={card} />}
      <OnThisServer environments={environments} card={card} />
      {(card.busy === 'open' || card.busy === 'setup' || card.busy === 'remove') && (
        <Progress card={card} connectionId={id} />
      )}
      {card.error !== null && <CardError card={card} />}
      <CardActions connection={connection} card={card} />
      {viewer && card.showLogs && <LogView connectionId={id} onWiden={props.actions.showLog} />}
    </>
  );
}

function Progress(props: { card: ICard; connectionId: string }): JSX.Element {
  const { card } = props;
  const { trans, store } = card.runicorn;
  const step = store.step(props.connectionId);
  const otherwise = card.busy === 'open' ? trans.__('Opening the viewer…') : trans.__('Working…');
  return (
    <div className="rj-Progress" role="status">
      <span className="rj-Spinner" aria-hidden />
      {step?.step ? stepLabel(trans, step) : otherwise}
      {card.busy === 'setup' && (
        <button type="button" className="rj-Button rj-mod-quiet" onClick={card.cancelSetUp}>
          {trans.__('Cancel')}
        </button>
      )}
    </div>
  );
}

function ViewerLine(props: { connection: ConnectionInfo; card: ICard }): JSX.Element | null {
  const { trans, dates } = props.card.runicorn;
  const { viewer } = props.connection;
  if (!viewer) {
    return null;
  }
  const state = isHung(viewer) ? 'unresponsive' : viewer.status;
  return (
    <p className="rj-Viewer" data-status={state} role="status">
      <span className="rj-Dot" aria-hidden />
      <span>
        {trans.__('Viewer: %1', viewerLabel(trans, state))}
        <span className="rj-Quiet">
          {viewer.env_name && ` · ${viewer.env_name}`}
          {viewer.status === 'running' && (
            <>
              {' · '}
              <span>{trans.__('since %1', dates.begin(viewer.started_at))}</span>
            </>
          )}
        </span>
      </span>
    </p>
  );
}

function isHung(viewer: Viewer): boolean {
  return viewer.status === 'running' && viewer.health === 'unresponsive';
}

function CardError(props: { card: ICard }): JSX.Element {
  const { card } = props;
  const { trans, store } = card.runicorn;
  const then = (work: () => void) => () => {
    card.setError(null);
    work();
  };
  return (
    <ErrorNote
      reason={card.error}
      trans={trans}
      pip={card.environment ? pipCommand(card.environment.python_path) : undefined}
      remedies={{
        detect: then(card.detect),
        refresh: then(() => void store.refresh()),
        'reload-page': () => location.reload()
      }}
      onDismiss={() => card.setError(null)}
    />
  );
}

function CardActions(props: { connection: ConnectionInfo; card: ICard }): JSX.Element {
  const { card } = props;
  const { trans } = card.runicorn;
  const { viewer } = props.connection;
  const canOpen = card.isReady && card.environment?.runicorn_installed === true;
  return (
    <div className="rj-Actions">
      {props.connection.status === 'disconnected' ? (
        <button
          type="button"
          className="rj-Button rj-mod-primary"
          disabled={card.busy !== null}
          onClick={card.connect}
        >
          {trans.__('Connect again')}
        </button>
      ) : (
        <button
          ref={card.openRef}
          type="button"
          className="rj-Button rj-mod-primary"
          disabled={!canOpen}
          onClick={card.open}
        >
          {trans.__('Open viewer')}
        </button>
      )}
      {viewer && isHung(viewer) && (
        <button type="button" className="rj-Button" disabled={!card.isReady} onClick={card.restart}>
          {trans.__('Restart viewer')}
        </button>
      )}
      {viewer && (
        <button
          type="button"
          className="rj-Button rj-mod-quiet"
          aria-expanded={card.showLogs}
          onClick={() => card.setShowLogs(!card.showLogs)}
        >
          {trans.__('Logs')}
        </button>
      )}
      {viewer && viewer.status !== 'starting' && (
        <button type="button" className="rj-Button" disabled={!card.isReady} onClick={card.stop}>
          {trans.__('Stop viewer')}
        </button>
      )}
      <button
        type="button"
        className="rj-Button rj-mod-quiet"
        disabled={card.busy === 'disconnect'}
        onClick={card.disconnect}
      >
        {trans.__('Disconnect')}
      </button>
    </div>
  );
}
