/** What was set up on a server at the person's wish: how to set it up, and how to take it away. */

import React from 'react';

import type { IEnvironmentList } from '../state/store.js';
import { canSetUp, usableOf } from './EnvironmentField.js';
import type { ICard } from './useCard.js';

/**
 * The button that sets Runicorn up, where no environment has it, or why that cannot be; or what is kept there, with
 * its size.
 */
export function OnThisServer(props: {
  environments: IEnvironmentList;
  card: ICard;
}): JSX.Element | null {
  const { environments, card } = props;
  const { trans } = card.runicorn;
  const own = environments.list?.find(item => item.private);
  if (own) {
    return (
      <details className="rj-Details">
        <summary>{trans.__('On this server')}</summary>
        <div className="rj-Row rj-Kept">
          <span className="rj-Ellipsis" title={own.prefix}>
            {own.name}
            <span className="rj-Quiet">{` · ${megabytes(own.size_bytes)} MB`}</span>
          </span>
          <button
            type="button"
            className="rj-Button"
            disabled={!card.isReady}
            onClick={card.remove}
          >
            {trans.__('Remove')}
          </button>
        </div>
      </details>
    );
  }
  if (!environments.setup || environments.loading || usableOf(environments).length > 0) {
    return null;
  }
  if (!canSetUp(environments)) {
    return (
      <>
        <p className="rj-Quiet rj-Small">
          {trans.__(
            'Runicorn cannot be set up on this server: it takes Python 3.8 or newer, and none was found there. Install one with uv or conda, or load a module in a start-up file of your login shell; then look again.'
          )}
        </p>
        {environments.setup.problem && (
          <p className="rj-Quiet rj-Small" lang="en">
            {environments.setup.problem}
          </p>
        )}
      </>
    );
  }
  return (
    <div className="rj-Actions">
      <button
        type="button"
        className="rj-Button rj-mod-primary"
        disabled={!card.isReady}
        onClick={card.setUp}
      >
        {trans.__('Set up Runicorn here…')}
      </button>
    </div>
  );
}

function megabytes(bytes: number | null): string {
  return bytes === null ? '?' : String(Math.round(bytes / 1e6));
}
