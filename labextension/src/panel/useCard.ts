/** What a connection's card knows and does. */

import React from 'react';

import type { ConnectionInfo, Environment, LastChoice, Profile } from '../api/client.js';
import { Declined } from '../state/connectFlow.js';
import type { Runicorn } from '../ui/context.js';
import { locationOf } from '../state/viewerLocation.js';
import type { IConnected } from './ConnectForm.js';
import { requestAt } from '../state/connectRequest.js';
import { usableOf } from './EnvironmentField.js';
import { knownRoot, useSetup, type ISetupActions } from './useSetup.js';
import { useRunicorn } from '../ui/shared.js';

type Work = 'connect' | 'open' | 'stop' | 'disconnect' | 'setup' | 'remove';

/** A card's state and actions. */
export interface ICard extends ISetupActions {
  runicorn: Runicorn;
  /** The chosen environment, by name and in full. */
  envName: string;
  environment: Environment | undefined;
  setEnvName: (name: string) => void;
  root: string;
  setRoot: (root: string) => void;
  /** What is being done. */
  busy: Work | null;
  /** Whether something can be done. */
  isReady: boolean;
  error: unknown;
  setError: (error: unknown) => void;
  showLogs: boolean;
  setShowLogs: (show: boolean) => void;
  openRef: React.RefObject<HTMLButtonElement>;
  /** Connect again where the server gave up, and show what was shown. */
  connect: () => void;
  open: () => void;
  /** End the viewer that does not answer, and start it anew. */
  restart: () => void;
  stop: () => void;
  disconnect: () => void;
  detect: () => void;
}

/** Remember what a saved connection showed last, so that one press brings it back. */
async function rememberShown(
  runicorn: Runicorn,
  connection: ConnectionInfo,
  wanted: IConnected | null,
  envName: string,
  root: string
): Promise<void> {
  await wanted?.saved?.catch(() => undefined); // the form that saves it says so
  const { store, client } = runicorn;
  const leadsHere = (item: Profile): boolean =>
    item.host === connection.host && (!item.username || item.username === connection.username);
  const profile =
    store.profiles.find(item => item.name === wanted?.profileName) ??
    store.profiles.find(leadsHere);
  if (profile && (profile.env_name !== envName || (profile.remote_root ?? '') !== root)) {
    await client.saveProfile({ ...profile, env_name: envName, remote_root: root || null });
    await store.readSuggestions();
  }
}

/** Put a new connection in the place of one that the server gave up; what it showed is to be shown. */
async function connectAgain(runicorn: Runicorn, connection: ConnectionInfo): Promise<IConnected> {
  const { flow, client, store, settings } = runicorn;
  const at = locationOf(connection);
  const result = await flow.connect(requestAt(at, store.profiles, settings));
  await client.disconnect(connection.connection_id);
  await store.refresh();
  return {
    connectionId: result.connection_id,
    envName: at.env_name,
    remoteRoot: at.remote_root
  };
}

/** The environment to offer first: the one that was opened last, where it is still there. */
function offeredName(usable: readonly Environment[], last: LastChoice | undefined): string {
  return (usable.find(item => item.name === last?.env_name) ?? usable[0])?.name ?? '';
}

/** The state and the actions of a connection's card. */
export function useCard(
  connection: ConnectionInfo,
  wanted: IConnected | null,
  onConnected: (what: IConnected) => void,
  onOpen: (connectionId: string) => void
): ICard {
  const runicorn = useRunicorn();
  const { store, flow, client } = runicorn;
  const { connection_id: id, viewer } = connection;
  const environments = store.environments(id);
  const [chosen, setEnvName] = React.useState(wanted?.envName ?? '');
  const [root, setRoot] = React.useState(wanted?.remoteRoot ?? '');
  const [busy, setBusy] = React.useState<Work | null>(null);
  const [error, setError] = React.useState<unknown>(null);
  const [showLogs, setShowLogs] = React.useState(false);
  const openRef = React.useRef<HTMLButtonElement>(null);
  const latestWanted = React.useRef(wanted); // the card may be used before the form has told of it
  React.useEffect(() => {
    latestWanted.current = wanted;
  }, [wanted]);
  const last = store.lastChoice(connection);
  const offered = offeredName(usableOf(environments), last);
  const envName = chosen || viewer?.env_name || offered;
  const environment = environments.list?.find(item => item.name === envName);
  const isUp = connection.status === 'connected';

  const run = async (what: Work, work: () => Promise<unknown>): Promise<void> => {
    setBusy(what);
    setError(null);
    try {
      await work();
    } catch (reason) {
      setError(reason instanceof Declined ? null : reason);
    } finally {
      setBusy(null);
    }
  };
  const open = (): Promise<void> =>
    run('open', async () => {
      const remoteRoot =
        root.trim() || (await knownRoot(runicorn, connection, environment, last)) || undefined;
      await flow.startViewer(id, envName, { remoteRoot, autoOpen: false });
      onOpen(id);
      await rememberShown(runicorn, connection, latestWanted.current, envName, root.trim());
    });
  const setup = useSetup(connection, { run, setEnvName, onOpen });
  const detect = (): void => void store.readEnvironments(id, true);

  useBeginning({ id, isUp, wanted, environment, openRef, open, store });
  return {
    ...{ runicorn, envName, environment, setEnvName, root, setRoot, busy, error, setError },
    ...{ showLogs, setShowLogs, openRef, detect, ...setup },
    isReady: busy === null && isUp,
    connect: () =>
      void run('connect', async () => onConnected(await connectAgain(runicorn, connection))),
    open: () => void open(),
    restart: () => void run('open', () => flow.restartViewer(id)),
    stop: () => void run('stop', () => client.stopViewer(id).then(() => store.refresh())),
    disconnect: () =>
      void run('disconnect', () => client.disconnect(id).then(() => store.refresh()))
  };
}

/** What a card does by itself: reads the environments, and goes on where connecting left off. */
function useBeginning(options: {
  id: string;
  isUp: boolean;
  wanted: IConnected | null;
  environment: Environment | undefined;
  openRef: React.RefObject<HTMLButtonElement>;
  open: () => Promise<void>;
  store: Runicorn['store'];
}): void {
  const { id, isUp, wanted, environment, openRef, open, store } = options;
  const { list, error } = store.environments(id);
  const done = React.useRef(false);

  React.useEffect(() => {
    if (isUp && list === null && error === null) {
      void store.readEnvironments(id);
    }
  }, [isUp, id, list, error, store]);

  React.useEffect(() => {
    if (done.current || !wanted || !environment?.runicorn_installed) {
      return;
    }
    done.current = true;
    if (wanted.envName === environment.name) {
      void open();
    } else if (document.activeElement?.closest('.rj-Card')) {
      openRef.current?.focus();
    }
  }, [wanted, environment, open, openRef]);
}
