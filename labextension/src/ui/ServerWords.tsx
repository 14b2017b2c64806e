/** What a server says while it lets somebody in: text, and nothing but text, with its links. */

import React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

const LINK = /https?:\/\/[^\s<>"'`\\]+/g;
/** What an address in a sentence does not end with. */
const NO_END = '.,;:!?()[]{}';

/** A part of a text; with an address where it is a link. */
export interface ITextPart {
  text: string;
  isLink: boolean;
}

/** The address that a run of characters begins with, or '' where it is none to follow. */
function addressIn(run: string): string {
  let end = run.length;
  while (NO_END.includes(run.charAt(end - 1))) {
    end -= 1;
  }
  const address = run.slice(0, end);
  const host = address.slice(address.indexOf('://') + 3).split(/[/?#]/, 1)[0]!;
  // A user name could pass itself off as the host.
  return host === '' || host.includes('@') ? '' : address;
}

/** Cut a text into its links and what is between them. */
export function linkParts(text: string): ITextPart[] {
  const parts: ITextPart[] = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    const address = addressIn(found[0]);
    if (address === '') {
      continue;
    }
    if (found.index > at) {
      parts.push({ text: text.slice(at, found.index), isLink: false });
    }
    parts.push({ text: address, isLink: true });
    at = found.index + address.length;
  }
  if (at < text.length) {
    parts.push({ text: text.slice(at), isLink: false });
  }
  return parts;
}

/** A server's words, their lines kept. */
export function ServerWords(props: { text: string; trans: TranslationBundle }): JSX.Element {
  return (
    <div className="rj-ServerWords" role="status">
      <span className="rj-Quiet">{props.trans.__('The server says:')}</span>
      <div className="rj-pre" dir="auto">
        {linkParts(props.text).map((part, index) =>
          part.isLink ? (
            <a key={index} href={part.text} target="_blank" rel="noopener noreferrer">
              {part.text}
            </a>
          ) : (
            <React.Fragment key={index}>{part.text}</React.Fragment>
          )
        )}
      </div>
    </div>
  );
}
