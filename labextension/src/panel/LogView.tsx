/** What a viewer printed. */

import { refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { RemoteStore, IRemoteEvent } from '../state.js';
import { CopyButton, ErrorNote, useRunicorn } from './shared.js';

/** The last lines; read when it appears, when the viewer's state changes, and on demand. */
export function LogView(props: { connectionId: string }): JSX.Element {
  const { connectionId } = props;
  const { client, store, trans, settings } = useRunicorn();
  const [lines, setLines] = React.useState<string[] | null>(null);
  const [error, setError] = React.useState<unknown>(null);
  const preRef = React.useRef<HTMLPreElement>(null);
  const lineCount = settings.logLines;

  const read = React.useCallback(async (): Promise<void> => {
    try {
      setLines(await client.getViewerLogs(connectionId, lineCount));
      setError(null);
    } catch (reason) {
      setError(reason);
    }
  }, [client, connectionId, lineCount]);

  React.useEffect(() => {
    const onEvent = (_: RemoteStore, event: IRemoteEvent): void => {
      if (event.type === 'viewer' && event.connection_id === connectionId) {
        void read();
      }
    };
    void read();
    store.eventReceived.connect(onEvent);
    return () => {
      store.eventReceived.disconnect(onEvent);
    };
  }, [connectionId, read, store]);

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
          onClick={() => void read()}
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
