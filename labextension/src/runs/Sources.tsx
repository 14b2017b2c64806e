/** The servers whose part of the runs is not current, and since when. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { IRunsServer } from '../client.js';
import type { Dates } from '../dates.js';
import { runsProblemWord } from '../words.js';
import { serverOf } from './table.js';

/** The servers that something is to be said of; nothing where all is well. */
export function Sources(props: {
  servers: readonly IRunsServer[];
  trans: TranslationBundle;
  dates: Dates;
}): JSX.Element | null {
  const { trans, dates } = props;
  const troubled = props.servers.filter(server => server.error !== null);
  if (troubled.length === 0) {
    return null;
  }
  return (
    <ul className="rj-Runs-sources" role="status">
      {troubled.map(server => (
        <li key={server.connection_id}>
          <span className="rj-Dot" aria-hidden />
          <strong>{serverOf(server)}</strong>{' '}
          {runsProblemWord(
            trans,
            server.error?.code,
            server.as_of ? dates.clock(new Date(server.as_of)) : null
          )}
        </li>
      ))}
    </ul>
  );
}
