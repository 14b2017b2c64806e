/** What a viewer printed. */

import { refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { CoalescedTask } from '../state/coalesce.js';
import type { RemoteEvent } from '../api/client.js';
import type { RemoteStore } from '../state/store.js';
import { CopyButton, ErrorNote, useRunicorn } from './shared.js';

/** The last lines that a viewer printed: read at once, when its state changes, and on demand. */
function useLog(connectionId: string): {
  lines: readonly string[] | null;
  error: unknown;
  read: () => void;
} {
  const { client, store, settings } = useRunicorn();
  const [lines, setLines] = React.useState<string[] | null>(null);
  const [error, setError] = React.useState<unknown>(null);
  const lineCount = settings.logLines;

  const read = React.useMemo(() => {
    const reading = new CoalescedTask(async () => {
      try {
        setLines(await client.getViewerLogs(connectionId, lineCount));
        setError(null);
      } catch (reason) {
        setError(reason);
      }
    });
    return () => void reading.run();
  }, [client, connectionId, lineCount]);

  React.useEffect(() => {
    const onEvent = (_: RemoteStore, event: RemoteEvent): void => {
      // The log of a viewer that was stopped may be gone, and with it the connection.
      if (
        event.type === 'viewer' &&
        event.connection_id === connectionId &&
        event.status !== 'stopped'
      ) {
        read();
      }
    };
    read();
    store.eventReceived.connect(onEvent);
    return () => {
      store.eventReceived.disconnect(onEvent);
    };
  }, [connectionId, read, store]);
  return { lines, error, read };
}

/** The log of a connection's viewer. */
export function LogView(props: { connectionId: string }): JSX.Element {
  const { trans } = useRunicorn();
  const { lines, error, read } = useLog(props.connectionId);
  const preRef = React.useRef<HTMLPreElement>(null);

  React.useEffect(() => {
    preRef.current?.scrollTo({ top: preRef.current.scrollHeight });
  }, [lines]);

  const text = lines?.join('\n') ?? '';
  return (
    <section className="rj-Logs" aria-label={trans.__('Log of the viewer')}>
      <div className="rj-Row">
        <span className="rj-Quiet rj-Grow">
          {lines === null ? trans.__('Reading…') : trans._n('%1 line', '%1 lines', lines.length)}
        </span>
        <CopyButton text={text} label={trans.__('Copy the log')} trans={trans} />
        <button
          type="button"
          className="rj-IconButton"
          aria-label={trans.__('Read the log again')}
          title={trans.__('Read the log again')}
          onClick={read}
        >
          <refreshIcon.react tag="span" />
        </button>
      </div>
      {error !== null && <ErrorNote reason={error} trans={trans} />}
      {/* Focusable, so that the keyboard can scroll it. */}
      <pre className="rj-Log" ref={preRef} tabIndex={0} lang="en">
        {text}
      </pre>
    </section>
  );
}
