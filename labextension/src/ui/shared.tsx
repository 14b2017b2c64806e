/** Small parts that the panel, the tabs and the outputs have in common. */

import { checkIcon, closeIcon, copyIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Runicorn } from './context.js';
import { copyText } from './clipboard.js';
import { ErrorBoundary } from './ErrorBoundary.js';
import { ServerWords } from './ServerWords.js';
import { errorMessage, type IErrorMessage, type Remedy } from './messages.js';
import type { HostKey, RunicornError } from '../api/client.js';

/** Gives the parts of a view what they share; see `ViewRoot`. */
const RunicornContext = React.createContext<Runicorn | null>(null);

/** The root of a view: gives its parts what they share, and says so where they cannot be drawn. */
export function ViewRoot(props: {
  runicorn: Runicorn;
  /** Whether there is room for a line only. */
  isSmall?: boolean;
  children: React.ReactNode;
}): JSX.Element {
  const { runicorn, isSmall, children } = props;
  const readAll = async (): Promise<void> => {
    await Promise.all([runicorn.store.refresh(), runicorn.runs.readAll()]);
  };
  return (
    <ErrorBoundary trans={runicorn.trans} isSmall={isSmall} onReload={readAll}>
      <RunicornContext.Provider value={runicorn}>{children}</RunicornContext.Provider>
    </ErrorBoundary>
  );
}

/** What the plugins share, and a render whenever the state changes. */
export function useRunicorn(): Runicorn {
  const runicorn = React.useContext(RunicornContext);
  if (runicorn === null) {
    throw new Error('RunicornContext is missing.');
  }
  const [, render] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    const signals = [
      runicorn.store.changed,
      runicorn.flow.attemptsChanged,
      runicorn.settingsChanged
    ];
    signals.forEach(signal => signal.connect(render));
    // What happened between the rendering and now.
    render();
    return () => signals.forEach(signal => signal.disconnect(render));
  }, [runicorn]);
  return runicorn;
}

/** Copies a text; says so where it was pressed. */
export function CopyButton(props: {
  text: string;
  label: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { text, label, trans } = props;
  const [copied, setCopied] = React.useState(false);
  return (
    <button
      type="button"
      className="rj-IconButton"
      aria-label={label}
      title={copied ? trans.__('Copied') : label}
      onClick={() => {
        void copyText(text).then(() => setCopied(true));
      }}
      onBlur={() => setCopied(false)}
      onMouseLeave={() => setCopied(false)}
    >
      {copied ? <checkIcon.react tag="span" /> : <copyIcon.react tag="span" />}
      <span className="rj-VisuallyHidden" role="status">
        {copied ? trans.__('Copied') : ''}
      </span>
    </button>
  );
}

/** A command line to copy. */
export function CommandLine(props: { command: string; trans: TranslationBundle }): JSX.Element {
  return (
    <div className="rj-CommandLine">
      <code>{props.command}</code>
      <CopyButton
        text={props.command}
        label={props.trans.__('Copy the command')}
        trans={props.trans}
      />
    </div>
  );
}

/** The label of a remedy's button; null where it is no button. */
function remedyLabel(trans: TranslationBundle, remedy: Remedy): string | null {
  switch (remedy) {
    case 'retry':
      return trans.__('Try again');
    case 'password':
      return trans.__('Use a password');
    case 'forget-key':
      return trans.__('Forget the known key…');
    case 'detect':
      return trans.__('Look again');
    case 'reload-page':
      return trans.__('Reload the page');
    case 'refresh':
      return trans.__('Refresh');
    default:
      return null;
  }
}

/** Facts below each other, each with its name; what is false is left out. */
export function Facts(props: {
  facts: ReadonlyArray<[name: string, fact: React.ReactNode] | false>;
}): JSX.Element {
  return (
    <dl className="rj-Facts">
      {props.facts.map(
        item =>
          item && (
            <React.Fragment key={item[0]}>
              <dt>{item[0]}</dt>
              <dd>{item[1]}</dd>
            </React.Fragment>
          )
      )}
    </dl>
  );
}

/** A fingerprint to compare. */
export function Fingerprint(props: { of: string }): JSX.Element {
  return <code className="rj-Fingerprint">{props.of}</code>;
}

/** An error in words, with what can be done about it. */
export function ErrorNote(props: {
  reason: unknown;
  trans: TranslationBundle;
  remedies?: Partial<Record<Remedy, () => void>>;
  pip?: string;
  onDismiss?: () => void;
}): JSX.Element {
  const { reason, trans, remedies = {}, pip, onDismiss } = props;
  const words = errorMessage(trans, reason);
  const note = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    // In braces: newer browsers return a promise, which React would take for what undoes the effect.
    note.current?.scrollIntoView({ block: 'nearest' });
  }, [reason]);
  const buttons = words.remedies.filter(
    remedy => remedies[remedy] && remedyLabel(trans, remedy) !== null
  );
  return (
    <div className="rj-Error" role="alert" ref={note}>
      <div className="rj-Error-title">
        <strong>{words.title}</strong>
        {onDismiss && (
          <button
            type="button"
            className="rj-IconButton"
            aria-label={trans.__('Dismiss')}
            title={trans.__('Dismiss')}
            onClick={onDismiss}
          >
            <closeIcon.react tag="span" />
          </button>
        )}
      </div>
      {words.hint && <p>{words.hint}</p>}
      {words.remedies.includes('copy-pip') && pip && <CommandLine command={pip} trans={trans} />}
      <ErrorFacts words={words} reason={reason} trans={trans} />
      {buttons.length > 0 && (
        <div className="rj-Actions">
          {buttons.map(remedy => (
            <button
              key={remedy}
              type="button"
              className="rj-Button"
              onClick={() => remedies[remedy]?.()}
            >
              {remedyLabel(trans, remedy)}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function ErrorFacts(props: {
  words: IErrorMessage;
  reason: unknown;
  trans: TranslationBundle;
}): JSX.Element {
  const { words, trans } = props;
  const details = (props.reason as RunicornError).details ?? {};
  const key = details.host_key as HostKey | undefined;
  const known = key?.expected_fingerprint_sha256;
  const log = Array.isArray(details.log) ? details.log.join('\n') : '';
  return (
    <>
      {key && (
        <Facts
          facts={[
            !!known && [trans.__('Known fingerprint'), <Fingerprint of={known} />],
            [trans.__('Fingerprint now'), <Fingerprint of={key.fingerprint_sha256} />]
          ]}
        />
      )}
      {typeof details.server_message === 'string' && (
        <ServerWords text={details.server_message} trans={trans} />
      )}
      {log && <pre className="rj-Log">{log}</pre>}
      {words.detail && (
        <p className="rj-Error-detail" lang="en">
          {words.detail}
        </p>
      )}
    </>
  );
}
