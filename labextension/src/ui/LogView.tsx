/** What a viewer printed. */

import { launchIcon, refreshIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { CoalescedTask } from '../state/coalesce.js';
import type { RemoteEvent } from '../api/client.js';
import type { RemoteStore } from '../state/store.js';
import { IconButton } from './fields.js';
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

/** Where a line may end that has no blank for long: after what stands between the words of a path or a name. */
const SEAM = /(?<=[./\\:_=,-])(?=\w)/;

function Lines(props: { lines: readonly string[] }): JSX.Element {
  return (
    <>
      {props.lines.map((line, row) => (
        <React.Fragment key={row}>
          {row > 0 && '\n'}
          {line.split(SEAM).map((part, at) => (
            <React.Fragment key={at}>
              {at > 0 && <wbr />}
              {part}
            </React.Fragment>
          ))}
        </React.Fragment>
      ))}
    </>
  );
}

/** The log of a connection's viewer. */
export function LogView(props: {
  connectionId: string;
  /** Shows it in a tab; null where there are none, or it is in one. */
  onWiden?: ((connectionId: string) => void) | null;
}): JSX.Element {
  const { trans } = useRunicorn();
  const { connectionId, onWiden } = props;
  const { lines, error, read } = useLog(connectionId);
  const preRef = React.useRef<HTMLPreElement>(null);
  // Whoever reads further up is left there.
  const isAtEnd = React.useRef(true);

  React.useEffect(() => {
    if (isAtEnd.current) {
      preRef.current?.scrollTo({ top: preRef.current.scrollHeight });
    }
  }, [lines]);

  const text = lines?.join('\n') ?? '';
  return (
    <section className="rj-Logs" aria-label={trans.__('Log of the viewer')}>
      <div className="rj-Row">
        <span className="rj-Quiet rj-Grow">
          {lines === null ? trans.__('Reading…') : trans._n('%1 line', '%1 lines', lines.length)}
        </span>
        <CopyButton text={text} label={trans.__('Copy the log')} trans={trans} />
        <IconButton label={trans.__('Read the log again')} icon={refreshIcon} onPress={read} />
        {onWiden && (
          <IconButton
            label={trans.__('Show the log in a tab')}
            icon={launchIcon}
            onPress={() => onWiden(connectionId)}
          />
        )}
      </div>
      {error !== null && <ErrorNote reason={error} trans={trans} />}
      {/* Focusable, so that the keyboard can scroll it. */}
      <pre
        className="rj-Log"
        ref={preRef}
        tabIndex={0}
        lang="en"
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          isAtEnd.current = scrollHeight - scrollTop - clientHeight < 8;
        }}
      >
        <Lines lines={lines ?? []} />
      </pre>
    </section>
  );
}
