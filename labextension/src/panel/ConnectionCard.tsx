/** A connection: its state, its environments, its viewer. */

import { caretDownIcon, caretRightIcon, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IConnection, IEnvironment } from '../client.js';
import { Declined } from '../flow.js';
import {
  connectionWord,
  durationWord,
  latencyWord,
  pipCommand,
  stepWord,
  viewerWord
} from '../words.js';
import type { IConnected } from './ConnectForm.js';
import { Text } from './ConnectForm.js';
import { LogView } from './LogView.js';
import { CommandLine, ErrorNote, useRunicorn } from './shared.js';

/** The card. */
export function ConnectionCard(props: {
  connection: IConnection;
  expanded: boolean;
  wanted: IConnected | null;
  onToggle: () => void;
  onOpen: (connectionId: string) => void;
}): JSX.Element {
  const { connection, expanded } = props;
  const { trans, store } = useRunicorn();
  const id = connection.connection_id;
  const bodyId = React.useId();
  const latency = store.latency(id);
  const where = `${connection.username}@${connection.host}${connection.port !== 22 ? `:${connection.port}` : ''}`;
  const viewer = connection.viewer;
  return (
    <li className="rj-Card" data-status={connection.status} data-connection={id}>
      <div className="rj-Card-header">
        <button
          type="button"
          className="rj-Card-toggle"
          aria-expanded={expanded}
          aria-controls={bodyId}
          onClick={props.onToggle}
        >
          {expanded ? <caretDownIcon.react tag="span" /> : <caretRightIcon.react tag="span" />}
          <span className="rj-Dot" aria-hidden />
          <span className="rj-Card-title">
            <strong>{connection.host}</strong>
            <span className="rj-Card-subtitle" title={where}>
              {viewer?.env_name ? `${where} · ${viewer.env_name}` : where}
            </span>
          </span>
        </button>
        {connection.status === 'connected' && latency ? (
          <button
            type="button"
            className="rj-Latency"
            title={trans.__(
              'Time of a round trip, measured at %1. Press to measure again.',
              latency.at.toLocaleTimeString()
            )}
            onClick={() => void store.measure(id)}
          >
            {latencyWord(trans, latency.ms)}
          </button>
        ) : null}
      </div>
      <div className="rj-Card-state" role="status">
        {connection.status === 'connected' ? (
          <span className="rj-VisuallyHidden">{connectionWord(trans, connection.status)}</span>
        ) : (
          connectionWord(trans, connection.status)
        )}
      </div>
      {expanded && (
        <div id={bodyId} className="rj-Card-body">
          <CardBody {...props} />
        </div>
      )}
    </li>
  );
}

function CardBody(props: {
  connection: IConnection;
  wanted: IConnected | null;
  onOpen: (connectionId: string) => void;
}): JSX.Element {
  const { connection } = props;
  const runicorn = useRunicorn();
  const { trans, store, flow, client } = runicorn;
  const id = connection.connection_id;
  const viewer = connection.viewer;
  const environments = store.environments(id);
  const usable = environments.list?.filter(item => item.runicorn_installed) ?? [];
  const [chosen, setChosen] = React.useState(props.wanted?.envName ?? '');
  const [root, setRoot] = React.useState(props.wanted?.remoteRoot ?? '');
  const [busy, setBusy] = React.useState<'open' | 'stop' | 'disconnect' | null>(null);
  const [error, setError] = React.useState<unknown>(null);
  const [showLogs, setShowLogs] = React.useState(false);
  const envName = chosen || viewer?.env_name || usable[0]?.name || '';
  const environment = environments.list?.find(item => item.name === envName);
  const isUp = connection.status === 'connected';

  React.useEffect(() => {
    if (isUp && environments.list === null && environments.error === null) {
      void store.readEnvironments(id);
    }
  }, [isUp, id, environments.list, environments.error, store]);

  const run = async (
    what: 'open' | 'stop' | 'disconnect',
    work: () => Promise<unknown>
  ): Promise<void> => {
    setBusy(what);
    setError(null);
    try {
      await work();
    } catch (reason) {
      if (!(reason instanceof Declined)) {
        setError(reason);
      }
    } finally {
      setBusy(null);
    }
  };

  const open = (): Promise<void> =>
    run('open', async () => {
      await flow.startViewer(id, envName, {
        remoteRoot: root.trim() || undefined,
        autoOpen: false
      });
      props.onOpen(id);
    });

  const rootShown = environment?.storage_root ?? trans.__('as Runicorn is configured there');
  return (
    <>
      <EnvironmentField
        environments={environments.list}
        loading={environments.loading}
        value={envName}
        disabled={busy !== null || !isUp}
        onChange={setChosen}
        onDetect={() => void store.readEnvironments(id, true)}
      />
      {environments.error !== null && (
        <ErrorNote
          reason={environments.error}
          trans={trans}
          remedies={{ retry: () => void store.readEnvironments(id, true) }}
        />
      )}
      {environments.list !== null && usable.length > 0 && (
        <details className="rj-Details" open={root !== '' || undefined}>
          <summary>{trans.__('Storage folder')}</summary>
          <Text
            label={trans.__('Folder of the runs')}
            value={root}
            placeholder={rootShown}
            disabled={busy !== null || !isUp}
            onChange={setRoot}
          />
        </details>
      )}
      <WithoutRunicorn environments={environments.list} anyUsable={usable.length > 0} />
      {viewer && (
        <p className="rj-Viewer" data-status={viewer.status}>
          <span className="rj-Dot" aria-hidden />
          <span>
            {trans.__('Viewer: %1', viewerWord(trans, viewer.status))}
            {viewer.status === 'running' && (
              <span className="rj-Quiet">
                {' · '}
                {viewer.runicorn_version} · {durationWord(trans, viewer.uptime_seconds)}
              </span>
            )}
          </span>
        </p>
      )}
      {busy === 'open' && (
        <p className="rj-Progress" role="status">
          <span className="rj-Spinner" aria-hidden />
          {store.step(id) ? stepWord(trans, store.step(id)) : trans.__('Opening the viewer…')}
        </p>
      )}
      {error !== null && (
        <ErrorNote
          reason={error}
          trans={trans}
          pip={environment ? pipCommand(environment.python_path) : undefined}
          remedies={{
            retry: () => void open(),
            detect: () => {
              setError(null);
              void store.readEnvironments(id, true);
            },
            refresh: () => {
              setError(null);
              void store.refresh();
            },
            'reload-page': () => location.reload()
          }}
          onDismiss={() => setError(null)}
        />
      )}
      <div className="rj-Actions">
        <button
          type="button"
          className="rj-Button rj-mod-primary"
          disabled={busy !== null || !isUp || !envName || environment?.runicorn_installed === false}
          onClick={() => void open()}
        >
          {trans.__('Open viewer')}
        </button>
        {viewer && viewer.status !== 'starting' && (
          <button
            type="button"
            className="rj-Button"
            disabled={busy !== null || !isUp}
            onClick={() => void run('stop', () => client.stopViewer(id))}
          >
            {trans.__('Stop viewer')}
          </button>
        )}
        {viewer && (
          <button
            type="button"
            className="rj-Button rj-mod-quiet"
            aria-expanded={showLogs}
            onClick={() => setShowLogs(!showLogs)}
          >
            {trans.__('Logs')}
          </button>
        )}
        <button
          type="button"
          className="rj-Button rj-mod-quiet"
          disabled={busy === 'disconnect'}
          onClick={() =>
            void run('disconnect', async () => {
              await client.disconnect(id);
              await store.refresh();
            })
          }
        >
          {trans.__('Disconnect')}
        </button>
      </div>
      {showLogs && <LogView connectionId={id} />}
    </>
  );
}

function EnvironmentField(props: {
  environments: readonly IEnvironment[] | null;
  loading: boolean;
  value: string;
  disabled: boolean;
  onChange: (name: string) => void;
  onDetect: () => void;
}): JSX.Element {
  const { environments, loading } = props;
  const { trans } = useRunicorn();
  const id = React.useId();
  const usable = environments?.filter(item => item.runicorn_installed) ?? [];
  const chosen = usable.find(item => item.name === props.value);
  return (
    <div className="rj-Field">
      <label htmlFor={id}>{trans.__('Environment')}</label>
      <div className="rj-Row">
        <select
          id={id}
          className="jp-mod-styled"
          value={props.value}
          disabled={props.disabled || usable.length === 0}
          onChange={event => props.onChange(event.target.value)}
        >
          {usable.length === 0 && (
            <option value={props.value}>
              {loading || environments === null
                ? props.value || trans.__('Looking for environments…')
                : trans.__('None with Runicorn')}
            </option>
          )}
          {usable.map(item => (
            <option key={item.prefix} value={item.name}>
              {item.runicorn_version ? `${item.name} · ${item.runicorn_version}` : item.name}
            </option>
          ))}
        </select>
        <button
          type="button"
          className={`rj-IconButton${loading ? ' rj-mod-spinning' : ''}`}
          aria-label={trans.__('Look for environments again')}
          title={trans.__('Look for environments again')}
          disabled={props.disabled || loading}
          onClick={props.onDetect}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      {chosen && (
        <div className="rj-Quiet rj-Small">
          {trans.__(
            'Runicorn %1, Python %2',
            chosen.runicorn_version ?? '?',
            chosen.python_version ?? '?'
          )}
          {chosen.storage_root && <div className="rj-Ellipsis">{chosen.storage_root}</div>}
        </div>
      )}
    </div>
  );
}

function WithoutRunicorn(props: {
  environments: readonly IEnvironment[] | null;
  anyUsable: boolean;
}): JSX.Element | null {
  const { trans } = useRunicorn();
  const others = props.environments?.filter(item => !item.runicorn_installed) ?? [];
  if (props.environments !== null && props.environments.length === 0) {
    return (
      <p className="rj-Quiet">{trans.__('No Python environment was found on this server.')}</p>
    );
  }
  if (others.length === 0) {
    return null;
  }
  return (
    <details className="rj-Details" open={!props.anyUsable || undefined}>
      <summary>
        {trans._n(
          '%1 environment without Runicorn',
          '%1 environments without Runicorn',
          others.length
        )}
      </summary>
      <p className="rj-Quiet">{trans.__('Run the command on the server, then look again.')}</p>
      <ul className="rj-Others">
        {others.map(item => (
          <li key={item.prefix} aria-disabled>
            <span className="rj-Others-name" title={item.prefix}>
              {item.name} <span className="rj-Quiet">Python {item.python_version ?? '?'}</span>
            </span>
            <CommandLine command={pipCommand(item.python_path)} trans={trans} />
          </li>
        ))}
      </ul>
    </details>
  );
}
