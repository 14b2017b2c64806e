/** What was set up on a server at the person's wish: how to set it up, and how to take it away. */

import React from 'react';

import type { IEnvironmentList } from '../state/store.js';
import { canSetUp, usableOf } from './EnvironmentField.js';
import type { ICard } from './useCard.js';

/** The button that sets Runicorn up, where no environment has it; or what is kept there, with its size. */
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
  if (!canSetUp(environments) || usableOf(environments).length > 0) {
    return null;
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
