/** The servers whose part of the runs is not whole or not current, and since when. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { RunsServer } from '../api/client.js';
import type { Dates } from '../ui/dates.js';
import { runsProblemMessage } from '../ui/messages.js';
import { serverOf } from './table.js';

/** The servers that something is to be said of; nothing where all is well. */
export function Sources(props: {
  servers: readonly RunsServer[];
  trans: TranslationBundle;
  dates: Dates;
}): JSX.Element | null {
  const { trans, dates } = props;
  const unlike = props.servers.filter(server => server.error !== null || !server.complete);
  if (unlike.length === 0) {
    return null;
  }
  return (
    <ul className="rj-Runs-sources" role="status">
      {unlike.map(server => (
        <li key={server.connection_id}>
          {server.error === null ? (
            <span className="rj-Spinner" aria-hidden />
          ) : (
            <span className="rj-Dot" aria-hidden />
          )}
          <strong>{serverOf(server)}</strong>{' '}
          {server.error === null
            ? trans.__('reading %1 …', server.total)
            : runsProblemMessage(
                trans,
                server.error.code,
                server.as_of ? dates.clock(new Date(server.as_of)) : null
              )}
        </li>
      ))}
    </ul>
  );
}
