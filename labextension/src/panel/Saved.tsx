/** The saved connections: one press connects, and shows what was shown last. */

import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IProfile } from '../client.js';
import { Declined } from '../flow.js';
import type { IConnected } from './ConnectForm.js';
import { draftOf, requestOf } from './draft.js';
import { IconButton } from './fields.js';
import { ErrorNote, useRunicorn } from './shared.js';

/** The list; nothing where none is saved. */
export function Saved(props: { onConnected: (what: IConnected) => void }): JSX.Element | null {
  const runicorn = useRunicorn();
  const { trans, store, flow, client } = runicorn;
  const [error, setError] = React.useState<unknown>(null);

  const connect = async (profile: IProfile): Promise<void> => {
    setError(null);
    if (profile.auth_method === 'password') {
      runicorn.draft(draftOf(profile));
      return;
    }
    try {
      const result = await flow.connect(requestOf(draftOf(profile), '', runicorn.settings));
      props.onConnected({
        connectionId: result.connection_id,
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
  const forget = async (profile: IProfile): Promise<void> => {
    try {
      await client.deleteProfile(profile.name);
      setError(null);
    } catch (reason) {
      setError(reason);
    }
    await store.readSuggestions();
  };

  if (store.profiles.length === 0) {
    return null;
  }
  return (
    <section className="rj-Section">
      <h3>{trans.__('Saved connections')}</h3>
      {error !== null && (
        <ErrorNote reason={error} trans={trans} onDismiss={() => setError(null)} />
      )}
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
    </section>
  );
}

function SavedRow(props: {
  profile: IProfile;
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
