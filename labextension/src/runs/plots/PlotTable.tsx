/** A plot as text, for whoever does not see it. */

import React from 'react';

import type { Run } from '../../api/client.js';
import { keyOfRun } from '../../state/runs.js';
import { copyText } from '../../ui/clipboard.js';
import { useRunicorn } from '../../ui/shared.js';
import { columnOf, type IColumn } from '../columns.js';
import { csvOfRuns } from '../exporting.js';
import { nameOf } from '../table.js';

/** How many runs the table has; all of them can be copied. */
const MOST_ROWS = 200;

/** Return the columns of a table: where the runs are, and each that is drawn once. */
export function columnsOf(drawn: readonly IColumn[]): IColumn[] {
  const all = [columnOf('server', '')!, ...drawn];
  return all.filter((column, at) => all.findIndex(each => each.id === column.id) === at);
}

/** The table, as long as it is open. */
export function PlotTable(props: {
  /** Those that are drawn, in their order. */
  runs: readonly Run[];
  columns: readonly IColumn[];
  onOpen: (run: Run) => void;
}): JSX.Element {
  const { runs, columns } = props;
  const { trans } = useRunicorn();
  const [isOpen, setOpen] = React.useState(false);
  return (
    <details
      className="rj-Curves-values"
      onToggle={event => setOpen((event.target as HTMLDetailsElement).open)}
    >
      <summary>{trans.__('As a table')}</summary>
      {isOpen && (
        <>
          <button
            type="button"
            className="rj-Button"
            onClick={() => void copyText(csvOfRuns(runs, columns, trans))}
          >
            {trans.__('Copy all values')}
          </button>
          {runs.length > MOST_ROWS && (
            <p role="status">
              {trans.__('The first %1 of %2 runs; what is copied has all.', MOST_ROWS, runs.length)}
            </p>
          )}
          <div
            className="rj-Plot-table"
            role="region"
            tabIndex={0}
            aria-label={trans.__('As a table')}
          >
            <Rows {...props} />
          </div>
        </>
      )}
    </details>
  );
}

function Rows(props: {
  runs: readonly Run[];
  columns: readonly IColumn[];
  onOpen: (run: Run) => void;
}): JSX.Element {
  const { columns } = props;
  const { trans, dates } = useRunicorn();
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{trans.__('Run')}</th>
          {columns.map(column => (
            <th key={column.id} scope="col">
              {column.label(trans)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.runs.slice(0, MOST_ROWS).map(run => (
          <tr key={keyOfRun(run)}>
            <th scope="row">
              <button type="button" className="rj-Link" onClick={() => props.onOpen(run)}>
                {nameOf(run)[0]}
              </button>
            </th>
            {columns.map(column => {
              const [text] = column.render(run, { trans, dates });
              return (
                <td key={column.id} title={column.exact?.(run) ?? text}>
                  {text}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
