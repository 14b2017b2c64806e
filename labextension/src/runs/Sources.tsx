/** The servers whose part of the runs is not current, and since when. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { IRunsServer } from '../client.js';
import { serverOf } from './table.js';

/** The servers that something is to be said of; nothing where all is well. */
export function Sources(props: {
  servers: readonly IRunsServer[];
  trans: TranslationBundle;
}): JSX.Element | null {
  const { trans } = props;
  const troubled = props.servers.filter(server => server.error !== null);
  if (troubled.length === 0) {
    return null;
  }
  return (
    <ul className="rj-Runs-sources" role="status">
      {troubled.map(server => (
        <li key={server.connection_id}>
          <span className="rj-Dot" aria-hidden />
          <strong>{serverOf(server)}</strong> {problemWord(trans, server)}
        </li>
      ))}
    </ul>
  );
}

function problemWord(trans: TranslationBundle, server: IRunsServer): string {
  const time = server.as_of ? new Date(server.as_of).toLocaleTimeString() : null;
  switch (server.error?.code) {
    case 'connection_lost':
      return time
        ? trans.__('is not connected; its runs are those of %1.', time)
        : trans.__('is not connected.');
    case 'too_many_runs':
      return trans.__('has more runs than can be shown; some are left out.');
    case 'viewer_not_running':
      return trans.__('has no running viewer.');
    default:
      return time
        ? trans.__('does not answer; its runs are those of %1.', time)
        : trans.__('does not answer.');
  }
}
