/** What is shown in the place of a view whose drawing failed. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { copyText } from './clipboard.js';

interface IProps {
  trans: TranslationBundle;
  children: React.ReactNode;
  /** Whether there is room for a line only. */
  isSmall?: boolean;
  /** Called when the drawing of the children failed, and when it is tried again. */
  onChange?: (hasFailed: boolean) => void;
  /** Reads anew what the children show, before they are drawn again. */
  onReload?: () => Promise<void>;
}

interface IState {
  /** What was thrown, or null. */
  failure: { reason: unknown } | null;
  /** Where in the view, as React says it. */
  place: string;
}

/** Keeps a failure to draw its children from taking away all that is around them. */
export class ErrorBoundary extends React.Component<IProps, IState> {
  override state: IState = { failure: null, place: '' };

  static getDerivedStateFromError(reason: unknown): Partial<IState> {
    return { failure: { reason } };
  }

  override componentDidCatch(_: unknown, info: React.ErrorInfo): void {
    this.setState({ place: info.componentStack ?? '' });
    this.props.onChange?.(true);
  }

  override render(): React.ReactNode {
    const { failure, place } = this.state;
    if (failure === null) {
      return this.props.children;
    }
    const { trans, isSmall } = this.props;
    const reload = async (): Promise<void> => {
      await this.props.onReload?.();
      this.props.onChange?.(false);
      this.setState({ failure: null, place: '' });
    };
    return isSmall ? (
      <button
        type="button"
        className="rj-Status-button"
        title={messageOf(failure.reason)}
        onClick={() => void reload()}
      >
        {trans.__('Reload this view')}
      </button>
    ) : (
      <Failure trans={trans} reason={failure.reason} place={place} onReload={() => void reload()} />
    );
  }
}

function Failure(props: {
  trans: TranslationBundle;
  reason: unknown;
  place: string;
  onReload: () => void;
}): JSX.Element {
  const { trans, reason, place } = props;
  const [copied, setCopied] = React.useState(false);
  const copy = async (): Promise<void> => {
    await copyText(detailsOf(reason, place));
    setCopied(true);
  };
  return (
    <div className="rj-Error rj-Failure" role="alert">
      <strong>{trans.__('This view could not be drawn.')}</strong>
      <p>{trans.__('Nothing on your servers is affected.')}</p>
      <p className="rj-Error-detail" lang="en">
        {messageOf(reason)}
      </p>
      <div className="rj-Actions">
        <button type="button" className="rj-Button" onClick={props.onReload}>
          {trans.__('Reload this view')}
        </button>
        <button
          type="button"
          className="rj-Button rj-mod-quiet"
          onClick={() => void copy()}
          onBlur={() => setCopied(false)}
        >
          {copied ? trans.__('Copied') : trans.__('Copy details')}
        </button>
      </div>
    </div>
  );
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}

/** All that is known of a failure, for whoever is to mend it. */
function detailsOf(reason: unknown, place: string): string {
  // Chrome's stack begins with the message, other browsers' does not.
  const said = String(reason);
  const stack = (reason instanceof Error && reason.stack) || '';
  const parts = [stack.startsWith(said) ? stack : `${said}\n${stack}`, place, navigator.userAgent];
  return parts.map(part => part.trim()).join('\n\n');
}
