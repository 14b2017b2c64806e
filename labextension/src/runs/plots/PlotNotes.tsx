/** What of the runs a plot does not show. */

import React from 'react';

import { useRunicorn } from '../../ui/shared.js';

/**
 * The notes.
 *
 * @param props.total - How many runs there are.
 * @param props.count - How many of them have values to be drawn by.
 * @param props.most - How many are drawn at most.
 */
export function PlotNotes(props: { total: number; count: number; most: number }): JSX.Element {
  const { total, count, most } = props;
  const { trans } = useRunicorn();
  const missing = total - count;
  return (
    <div role="status">
      {count > most && <p>{trans.__('Only the newest %1 of %2 runs are drawn.', most, count)}</p>}
      {missing > 0 && (
        <p>
          {trans._n(
            '%1 run has no values to be drawn by.',
            '%1 runs have no values to be drawn by.',
            missing
          )}
        </p>
      )}
    </div>
  );
}
