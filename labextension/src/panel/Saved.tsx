/** The saved connections: one press connects, and shows what was shown last. */

import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Profile } from '../api/client.js';
import { Declined } from '../state/connectFlow.js';
import { importedMessage } from '../ui/messages.js';
import type { IConnected } from './ConnectForm.js';
import { draftOf, requestOf } from '../state/connectRequest.js';
import { IconButton } from '../ui/fields.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';

/** The list; nothing where none is saved. */
export function Saved(props: { onConnected: (what: IConnected) => void }): JSX.Element | null {
  const runicorn = useRunicorn();
  const { trans, store, flow, client } = runicorn;
  const [error, setError] = React.useState<unknown>(null);

  const connect = async (profile: Profile): Promise<void> => {
    setError(null);
    if (profile.auth_method === 'password') {
      runicorn.draft(draftOf(profile));
      return;
    }
    try {
      const result = await flow.connect(requestOf(draftOf(profile), '', runicorn.settings));
      props.onConnected({
        connectionId: result.connection_id,
        profileName: profile.name,
        envName: profile.env_name,
        remoteRoot: profile.remote_root
      });
    } catch (reason) {
      if (!(reason instanceof Declined)) {
        runicorn.draft(draftOf(profile));
        setError(reason);
      }
    }
  };
  const forget = async (profile: Profile): Promise<void> => {
    try {
      await client.deleteProfile(profile.name);
      setError(null);
    } catch (reason) {
      setError(reason);
    }
    await store.readSuggestions();
  };

  if (store.profiles.length === 0 && store.hosts.length === 0) {
    return null;
  }
  return (
    <section className="rj-Section">
      <h3>{trans.__('Saved connections')}</h3>
      {error !== null && (
        <ErrorNote reason={error} trans={trans} onDismiss={() => setError(null)} />
      )}
      {store.profiles.length === 0 && <NoneYet />}
      <ul>
        {store.profiles.map(profile => (
          <SavedRow
            key={profile.name}
            profile={profile}
            onConnect={() => void connect(profile)}
            onForget={() => void forget(profile)}
          />
        ))}
      </ul>
      <ImportHosts onError={setError} />
    </section>
  );
}

function NoneYet(): JSX.Element {
  const { trans } = useRunicorn();
  return (
    <p className="rj-Quiet">
      {trans.__('None yet. A connection to which you give a name is kept here.')}
    </p>
  );
}

/** Saves hosts of the ssh config as connections; nothing where each of them is saved. */
function ImportHosts(props: { onError: (error: unknown) => void }): JSX.Element {
  const { trans, store, client, questions } = useRunicorn();
  const [news, setNews] = React.useState('');
  const unsaved = store.hosts.filter(
    host => !store.profiles.some(profile => profile.name === host.alias)
  );
  const importHosts = async (): Promise<void> => {
    const aliases = await questions.chooseHosts(unsaved);
    if (aliases === null || aliases.length === 0) {
      return;
    }
    try {
      const { imported, skipped } = await client.importProfiles(aliases);
      setNews(importedMessage(trans, imported.length, skipped));
      props.onError(null);
    } catch (reason) {
      props.onError(reason);
    }
    await store.readSuggestions();
  };
  return (
    <>
      {unsaved.length > 0 && (
        <div className="rj-Actions">
          <button type="button" className="rj-Button" onClick={() => void importHosts()}>
            {trans.__('Import from SSH config…')}
          </button>
        </div>
      )}
      <p className={news ? 'rj-Quiet' : 'rj-VisuallyHidden'} role="status">
        {news}
      </p>
    </>
  );
}

function SavedRow(props: {
  profile: Profile;
  onConnect: () => void;
  onForget: () => void;
}): JSX.Element {
  const { profile } = props;
  const { trans } = useRunicorn();
  const where = profile.username ? `${profile.username}@${profile.host}` : profile.host;
  return (
    <li className="rj-Row">
      <button
        type="button"
        className="rj-Saved-connect"
        title={trans.__('Connect to %1', profile.host)}
        onClick={props.onConnect}
      >
        <span>{profile.name}</span>
        <span className="rj-Quiet">
          {profile.env_name ? `${where} · ${profile.env_name}` : where}
        </span>
      </button>
      <IconButton
        label={trans.__('Forget %1', profile.name)}
        icon={closeIcon}
        onPress={props.onForget}
      />
    </li>
  );
}
