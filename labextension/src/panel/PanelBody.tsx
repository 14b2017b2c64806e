/** What is in the side panel. */

import { addIcon, listIcon, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IAttempt } from '../state/connectFlow.js';
import type { RunsStore } from '../state/runs.js';
import { machinesIcon } from '../ui/icons.js';
import { stepLabel } from '../ui/messages.js';
import type { IPanelActions } from './actions.js';
import { ConnectForm, type IConnected } from './ConnectForm.js';
import { ConnectionCard } from './ConnectionCard.js';
import { IconButton } from '../ui/fields.js';
import { LiveRuns } from './LiveRuns.js';
import { Saved } from './Saved.js';
import { ServerWords } from '../ui/ServerWords.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';

/** What is in the side panel. */
export function PanelBody(props: { actions: IPanelActions; live: RunsStore }): JSX.Element {
  const runicorn = useRunicorn();
  const { trans, store, flow } = runicorn;
  const [formOpen, setFormOpen] = React.useState(runicorn.hasDraft);
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
        actions={props.actions}
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
        actions={props.actions}
        live={props.live}
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
  actions: IPanelActions;
}): JSX.Element {
  const { trans, store } = useRunicorn();
  const { showRuns, showMachines } = props.actions;
  const refresh = (): void => {
    void store.refresh();
    void store.readSuggestions();
  };
  return (
    <div className="rj-Header">
      <h2>{trans.__('Runicorn')}</h2>
      {showRuns && (
        <IconButton label={trans.__('Runs of all servers')} icon={listIcon} onPress={showRuns} />
      )}
      {showMachines && (
        <IconButton
          label={trans.__('Machines of all servers')}
          icon={machinesIcon}
          onPress={showMachines}
        />
      )}
      <IconButton
        label={trans.__('New connection')}
        icon={addIcon}
        expanded={props.formOpen}
        onPress={props.onToggleForm}
      />
      <IconButton label={trans.__('Refresh')} icon={refreshIcon} onPress={refresh} />
    </div>
  );
}

/** The connections; one of them is unfolded. */
function Cards(props: {
  expanded: string | null;
  wanted: IConnected | null;
  onExpand: (connectionId: string) => void;
  onConnected: (what: IConnected) => void;
  actions: IPanelActions;
  live: RunsStore;
}): JSX.Element | null {
  const { trans, store } = useRunicorn();
  const { connections } = store;
  const ref = React.useRef<HTMLUListElement>(null);
  if (connections.length === 0) {
    return null;
  }
  const only = connections.length === 1 ? connections[0]!.connection_id : '';
  const expandedId = props.expanded ?? only;
  return (
    <LiveRuns store={props.live} node={ref}>
      <ul ref={ref} className="rj-Cards" aria-label={trans.__('Connections')}>
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
              actions={props.actions}
            />
          );
        })}
      </ul>
    </LiveRuns>
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
