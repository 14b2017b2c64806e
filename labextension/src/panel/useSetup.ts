/** Setting up Runicorn on a server, taking it away, and whose runs are shown where nothing says it. */

import React from 'react';

import type { ConnectionInfo, Environment, LastChoice } from '../api/client.js';
import { Declined } from '../state/connectFlow.js';
import type { Runicorn } from '../ui/context.js';
import { useRunicorn } from '../ui/shared.js';

/** Where everything is that is set up on a server, below the home. */
const PLACE = '/.local/share/runicorn-jupyter';

/**
 * The storage root for an environment that has none: that of the last time, or what the person chooses; '' is
 * Runicorn's own choice.
 */
export async function knownRoot(
  runicorn: Runicorn,
  connection: ConnectionInfo,
  environment: Environment | undefined,
  last: LastChoice | undefined
): Promise<string> {
  const { roots, setup } = runicorn.store.environments(connection.connection_id);
  const byDefault = `${setup?.folder.replace(PLACE, '')}/.runicorn`;
  if (environment?.storage_root || roots.every(root => root.path === byDefault)) {
    return '';
  }
  if (last?.remote_root) {
    return last.remote_root;
  }
  const chosen = await runicorn.questions.chooseRoot(connection.host, roots);
  if (chosen === null) {
    throw new Declined();
  }
  return chosen;
}

/** The actions of a card on what is set up. */
export interface ISetupActions {
  /** Set up Runicorn on the server, if the person agrees, and open its viewer. */
  setUp: () => void;
  /** Cancel what `setUp` does. */
  cancelSetUp: () => void;
  /** Take away what was set up. */
  remove: () => void;
}

/** Make these actions. */
export function useSetup(
  connection: ConnectionInfo,
  card: {
    run: (what: 'setup' | 'remove', work: () => Promise<unknown>) => Promise<void>;
    setEnvName: (name: string) => void;
    onOpen: (connectionId: string) => void;
  }
): ISetupActions {
  const { store, flow, client, questions } = useRunicorn();
  const { connection_id: id, host } = connection;
  const requestId = React.useRef('');

  const setUp = async (): Promise<void> => {
    const { setup, roots } = store.environments(id);
    const root = setup && (await questions.setUp(host, setup, roots));
    if (root === null) {
      throw new Declined();
    }
    requestId.current = crypto.getRandomValues(new Uint32Array(4)).join('-');
    try {
      const { environment } = await client.createEnvironment(id, {
        requestId: requestId.current,
        // As the question has said.
        bringPython: !!setup?.brings
      });
      await store.readEnvironments(id);
      card.setEnvName(environment.name);
      await flow.startViewer(id, environment.name, {
        remoteRoot: root || undefined,
        autoOpen: false
      });
    } finally {
      requestId.current = '';
      store.clearStep(id);
    }
    card.onOpen(id);
  };
  const remove = async (): Promise<void> => {
    try {
      await client.removeEnvironment(id);
      card.setEnvName('');
    } finally {
      store.clearStep(id);
    }
  };
  return {
    setUp: () => void card.run('setup', setUp),
    cancelSetUp: () => {
      if (requestId.current) {
        void client.cancelEnvironment(requestId.current);
      }
    },
    remove: () => void card.run('remove', remove)
  };
}
