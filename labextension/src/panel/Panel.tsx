/** The side panel. */

import { ReactWidget } from '@jupyterlab/apputils';
import { addIcon, closeIcon, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IProfile } from '../client.js';
import { Declined, type IAttempt } from '../flow.js';
import { runicornIcon } from '../icons.js';
import type { Runicorn } from '../model.js';
import { PANEL_ID } from '../tokens.js';
import { stepWord } from '../words.js';
import { ConnectForm, draftOf, requestOf, type IConnected } from './ConnectForm.js';
import { ConnectionCard } from './ConnectionCard.js';
import { ErrorNote, RunicornContext, useRunicorn } from './shared.js';

/** The panel as a widget. */
export class RunicornPanel extends ReactWidget {
  constructor(runicorn: Runicorn, openViewer: (connectionId: string) => void) {
    super();
    this._runicorn = runicorn;
    this._openViewer = openViewer;
    this.id = PANEL_ID;
    this.addClass('rj-Panel');
    this.title.icon = runicornIcon;
    this.title.caption = runicorn.trans.__('Runicorn');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', runicorn.trans.__('Runicorn'));
  }

  override render(): JSX.Element {
    return (
      <RunicornContext.Provider value={this._runicorn}>
        <PanelBody onOpen={this._openViewer} />
      </RunicornContext.Provider>
    );
  }

  private readonly _runicorn: Runicorn;
  private readonly _openViewer: (connectionId: string) => void;
}

function PanelBody(props: { onOpen: (connectionId: string) => void }): JSX.Element {
  const runicorn = useRunicorn();
  const { trans, store, flow } = runicorn;
  const [formOpen, setFormOpen] = React.useState(false);
  const [expanded, setExpanded] = React.useState<string | null>(null);
  const [wanted, setWanted] = React.useState<IConnected | null>(null);
  const { connections } = store;
  const showForm = formOpen || connections.length === 0;
  const expandedId = expanded ?? (connections.length === 1 ? connections[0]!.connection_id : '');

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
      <header className="rj-Header">
        <h2>{trans.__('Runicorn')}</h2>
        <button
          type="button"
          className="rj-IconButton"
          aria-label={trans.__('New connection')}
          title={trans.__('New connection')}
          aria-expanded={showForm}
          onClick={() => setFormOpen(!formOpen)}
        >
          <addIcon.react tag="span" />
        </button>
        <button
          type="button"
          className="rj-IconButton"
          aria-label={trans.__('Refresh')}
          title={trans.__('Refresh')}
          onClick={() => {
            void store.refresh();
            void store.readSuggestions();
          }}
        >
          <refreshIcon.react tag="span" />
        </button>
      </header>
      {store.error !== null && (
        <ErrorNote
          reason={store.error}
          trans={trans}
          remedies={{
            refresh: () => void store.refresh(),
            retry: () => void store.refresh(),
            'reload-page': () => location.reload()
          }}
        />
      )}
      {flow.attempts.map(attempt => (
        <AttemptNote key={attempt.id} attempt={attempt} />
      ))}
      {connections.length > 0 && (
        <ul className="rj-Cards" aria-label={trans.__('Connections')}>
          {connections.map(connection => (
            <ConnectionCard
              key={connection.connection_id}
              connection={connection}
              expanded={connection.connection_id === expandedId}
              wanted={wanted?.connectionId === connection.connection_id ? wanted : null}
              onToggle={() =>
                setExpanded(connection.connection_id === expandedId ? '' : connection.connection_id)
              }
              onOpen={props.onOpen}
            />
          ))}
        </ul>
      )}
      {showForm && (
        <section className="rj-Section">
          {connections.length === 0 ? (
            <p className="rj-Intro">
              {trans.__('Connect to a server by SSH to see the training runs that are on it.')}
            </p>
          ) : (
            <h3>{trans.__('New connection')}</h3>
          )}
          <ConnectForm onConnected={onConnected} />
        </section>
      )}
      <Saved onConnected={onConnected} />
    </>
  );
}

function AttemptNote(props: { attempt: IAttempt }): JSX.Element {
  const { attempt } = props;
  const { trans, store } = useRunicorn();
  return (
    <div className="rj-Attempt">
      <span className="rj-Spinner" aria-hidden />
      <div className="rj-Grow" role="status">
        <strong>{attempt.host}</strong>
        <div className="rj-Quiet">
          {attempt.asking
            ? trans.__('Waiting for your answer…')
            : stepWord(trans, store.step(attempt.id))}
        </div>
      </div>
      <button type="button" className="rj-Button rj-mod-quiet" onClick={() => attempt.cancel()}>
        {trans.__('Cancel')}
      </button>
    </div>
  );
}

/** The saved connections: one press connects. */
function Saved(props: { onConnected: (what: IConnected) => void }): JSX.Element | null {
  const runicorn = useRunicorn();
  const { trans, store, flow, client } = runicorn;
  const [error, setError] = React.useState<unknown>(null);
  if (store.profiles.length === 0) {
    return null;
  }

  const connect = async (profile: IProfile): Promise<void> => {
    const draft = {
      host: '',
      username: '',
      port: '',
      privateKeyPath: '',
      timeout: '',
      saveAs: '',
      authMethod: 'key' as const,
      ...draftOf(profile)
    };
    if (profile.auth_method === 'password') {
      runicorn.draft(draft);
      return;
    }
    setError(null);
    try {
      const result = await flow.connect(requestOf(draft, '', runicorn.settings.timeout));
      props.onConnected({
        connectionId: result.connection_id,
        envName: profile.env_name,
        remoteRoot: profile.remote_root
      });
    } catch (reason) {
      if (!(reason instanceof Declined)) {
        runicorn.draft(draft);
        setError(reason);
      }
    }
  };

  const forget = async (profile: IProfile): Promise<void> => {
    try {
      await client.deleteProfile(profile.name);
    } catch (reason) {
      setError(reason);
    }
    await store.readSuggestions();
  };

  return (
    <section className="rj-Section">
      <h3>{trans.__('Saved connections')}</h3>
      {error !== null && (
        <ErrorNote reason={error} trans={trans} onDismiss={() => setError(null)} />
      )}
      <ul className="rj-Saved">
        {store.profiles.map(profile => (
          <li key={profile.name} className="rj-Row">
            <button
              type="button"
              className="rj-Saved-connect"
              title={trans.__('Connect to %1', profile.host)}
              onClick={() => void connect(profile)}
            >
              <span>{profile.name}</span>
              <span className="rj-Quiet">
                {profile.username ? `${profile.username}@${profile.host}` : profile.host}
              </span>
            </button>
            <button
              type="button"
              className="rj-IconButton"
              aria-label={trans.__('Forget %1', profile.name)}
              title={trans.__('Forget %1', profile.name)}
              onClick={() => void forget(profile)}
            >
              <closeIcon.react tag="span" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
