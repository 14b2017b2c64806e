/** The side panel. */

import { ReactWidget } from '@jupyterlab/apputils';
import { addIcon, listIcon, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IAttempt } from '../state/connectFlow.js';
import { runicornIcon } from '../ui/icons.js';
import type { Runicorn } from '../ui/context.js';
import { PANEL_ID } from '../ids.js';
import { stepLabel } from '../ui/messages.js';
import { ConnectForm, type IConnected } from './ConnectForm.js';
import { ConnectionCard } from './ConnectionCard.js';
import { IconButton } from '../ui/fields.js';
import { Saved } from './Saved.js';
import { ServerWords } from '../ui/ServerWords.js';
import { ErrorNote, useRunicorn, ViewRoot } from '../ui/shared.js';

/** The panel as a widget. */
export class RunicornPanel extends ReactWidget {
  /**
   * @param openViewer - Shows the viewer of a connection.
   * @param showRuns - Shows the runs of all servers; null where there is no room for them.
   * @param showLog - Shows the log of a connection's viewer in a tab; null where there is no room.
   */
  constructor(
    runicorn: Runicorn,
    openViewer: (connectionId: string) => void,
    showRuns: (() => void) | null,
    showLog: ((connectionId: string) => void) | null
  ) {
    super();
    this._runicorn = runicorn;
    this._openViewer = openViewer;
    this._showRuns = showRuns;
    this._showLog = showLog;
    this.id = PANEL_ID;
    this.addClass('rj-Panel');
    this.title.icon = runicornIcon;
    this.title.caption = runicorn.trans.__('Runicorn');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', runicorn.trans.__('Runicorn'));
  }

  override render(): JSX.Element {
    return (
      <ViewRoot runicorn={this._runicorn}>
        <PanelBody
          onOpen={this._openViewer}
          onShowRuns={this._showRuns}
          onShowLog={this._showLog}
        />
      </ViewRoot>
    );
  }

  private readonly _runicorn: Runicorn;
  private readonly _openViewer: (connectionId: string) => void;
  private readonly _showRuns: (() => void) | null;
  private readonly _showLog: ((connectionId: string) => void) | null;
}

function PanelBody(props: {
  onOpen: (connectionId: string) => void;
  onShowRuns: (() => void) | null;
  onShowLog: ((connectionId: string) => void) | null;
}): JSX.Element {
  const runicorn = useRunicorn();
  const { trans, store, flow } = runicorn;
  const [formOpen, setFormOpen] = React.useState(false);
  const [expanded, setExpanded] = React.useState<string | null>(null);
  const [wanted, setWanted] = React.useState<IConnected | null>(null);
  const showForm = formOpen || store.connections.length === 0;

  React.useEffect(() => {
    const openForm = (): void => setFormOpen(true);
    runicorn.drafted.connect(openForm);
    return () => {
      runicorn.drafted.disconnect(openForm);
    };
  }, [runicorn]);

  const onConnected = (what: IConnected): void => {
    setWanted(what);
    setExpanded(what.connectionId);
    setFormOpen(false);
  };

  return (
    <>
      <PanelHeader
        formOpen={showForm}
        onToggleForm={() => setFormOpen(!formOpen)}
        onShowRuns={props.onShowRuns}
      />
      <StoreError />
      {flow.attempts.map(attempt => (
        <AttemptNote key={attempt.id} attempt={attempt} />
      ))}
      <Cards
        expanded={expanded}
        wanted={wanted}
        onExpand={setExpanded}
        onConnected={onConnected}
        onOpen={props.onOpen}
        onShowLog={props.onShowLog}
      />
      {showForm && (
        <section className="rj-Section">
          {store.connections.length === 0 ? (
            <p className="rj-Intro">
              {trans.__('Connect to a server by SSH to see the training runs that are on it.')}
            </p>
          ) : (
            <h3>{trans.__('New connection')}</h3>
          )}
          <ConnectForm onConnected={onConnected} wasAskedFor={formOpen} />
        </section>
      )}
      <Saved onConnected={onConnected} />
    </>
  );
}

/** Why the connections could not be read. */
function StoreError(): JSX.Element | null {
  const { trans, store } = useRunicorn();
  const refresh = (): void => void store.refresh();
  return store.error === null ? null : (
    <ErrorNote
      reason={store.error}
      trans={trans}
      remedies={{ refresh, retry: refresh, 'reload-page': () => location.reload() }}
    />
  );
}

function PanelHeader(props: {
  formOpen: boolean;
  onToggleForm: () => void;
  onShowRuns: (() => void) | null;
}): JSX.Element {
  const { trans, store } = useRunicorn();
  const refresh = (): void => {
    void store.refresh();
    void store.readSuggestions();
  };
  return (
    <header className="rj-Header">
      <h2>{trans.__('Runicorn')}</h2>
      {props.onShowRuns && (
        <IconButton
          label={trans.__('Runs of all servers')}
          icon={listIcon}
          onPress={props.onShowRuns}
        />
      )}
      <IconButton
        label={trans.__('New connection')}
        icon={addIcon}
        expanded={props.formOpen}
        onPress={props.onToggleForm}
      />
      <IconButton label={trans.__('Refresh')} icon={refreshIcon} onPress={refresh} />
    </header>
  );
}

/** The connections; one of them is unfolded. */
function Cards(props: {
  expanded: string | null;
  wanted: IConnected | null;
  onExpand: (connectionId: string) => void;
  onConnected: (what: IConnected) => void;
  onOpen: (connectionId: string) => void;
  onShowLog: ((connectionId: string) => void) | null;
}): JSX.Element | null {
  const { trans, store } = useRunicorn();
  const { connections } = store;
  if (connections.length === 0) {
    return null;
  }
  const only = connections.length === 1 ? connections[0]!.connection_id : '';
  const expandedId = props.expanded ?? only;
  return (
    <ul className="rj-Cards" aria-label={trans.__('Connections')}>
      {connections.map(connection => {
        const id = connection.connection_id;
        return (
          <ConnectionCard
            key={id}
            connection={connection}
            expanded={id === expandedId}
            wanted={props.wanted?.connectionId === id ? props.wanted : null}
            onToggle={() => props.onExpand(id === expandedId ? '' : id)}
            onConnected={props.onConnected}
            onOpen={props.onOpen}
            onShowLog={props.onShowLog}
          />
        );
      })}
    </ul>
  );
}

function AttemptNote(props: { attempt: IAttempt }): JSX.Element {
  const { attempt } = props;
  const { trans, store } = useRunicorn();
  const step = store.step(attempt.id);
  return (
    <div className="rj-Attempt">
      <span className="rj-Spinner" aria-hidden />
      <div className="rj-Grow" role="status">
        <strong>{attempt.host}</strong>
        <div className="rj-Quiet">
          {attempt.asking ? trans.__('Waiting for your answer…') : stepLabel(trans, step)}
        </div>
        {step?.said && <ServerWords text={step.said} trans={trans} />}
      </div>
      <button type="button" className="rj-Button rj-mod-quiet" onClick={() => attempt.cancel()}>
        {trans.__('Cancel')}
      </button>
    </div>
  );
}
