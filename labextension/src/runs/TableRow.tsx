/** A row of the table of runs: a run, or a group of runs. */

import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Run } from '../api/client.js';
import type { ICellContext, IColumn } from './columns.js';
import { groupText, type IGroup } from './groups.js';
import { nameOf } from './table.js';
import { isGroup, type Item, type ITrack } from './tableModel.js';

/** The height of a row in CSS pixels; the stylesheet has it too. */
export const ROW_HEIGHT = 30;
/** The width of the column with the check boxes in CSS pixels; the stylesheet has it too. */
export const CHECK_WIDTH = 32;

/** What a row shows. */
export interface ITableRowProps {
  id: string;
  index: number;
  item: Item;
  /** All columns, and those that are drawn of them. */
  all: readonly ITrack[];
  tracks: readonly ITrack[];
  groupBy: readonly IColumn[];
  isActive: boolean;
  isSelected: boolean;
  /** Whether the group is open. */
  isOpen: boolean;
  context: ICellContext;
}

/** Return class and place of a cell. */
export function placeOf(
  track: ITrack,
  index: number
): Pick<React.HTMLAttributes<HTMLElement>, 'className' | 'style' | 'aria-colindex'> {
  const { column, start, size, isPinned } = track;
  const kind = column.id.replace(/\..*/s, '');
  return {
    className: [
      `rj-Runs-cell rj-mod-${kind}`,
      column.isNumber && 'rj-mod-number',
      isPinned && 'rj-mod-pinned'
    ]
      .filter(Boolean)
      .join(' '),
    style: isPinned
      ? { width: `${size}px`, insetInlineStart: `${CHECK_WIDTH + start}px` }
      : { width: `${size}px`, insetInlineStart: `calc(var(--rj-runs-pinned) + ${start}px)` },
    'aria-colindex': index + 2
  };
}

/** A row; drawn anew only for other values. */
export const TableRow = React.memo(function TableRow(props: ITableRowProps): JSX.Element {
  const { item, index, isSelected, context, all } = props;
  const { trans } = context;
  const name = isGroup(item) ? titleOf(item, props.groupBy, context) : nameOf(item)[0];
  // What a group is called stands where a run's name does.
  const title = all.find(track => track.column.id === 'name') ?? all[0];
  return (
    <div
      id={props.id}
      className="rj-Runs-row"
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      aria-level={props.groupBy.length === 0 ? undefined : isGroup(item) ? 1 : 2}
      aria-expanded={isGroup(item) ? props.isOpen : undefined}
      data-active={props.isActive || undefined}
      data-status={isGroup(item) ? 'group' : item.status}
      data-index={index}
      style={{ top: `${index * ROW_HEIGHT}px` }}
    >
      <div className="rj-Runs-check" role="gridcell" aria-colindex={1}>
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isSelected}
          readOnly
          aria-label={trans.__('Compare %1', name)}
        />
      </div>
      {props.tracks.map(track => {
        const [text, content = text] = !isGroup(item)
          ? track.column.render(item, context)
          : track === title
            ? [name, <GroupTitle key="title" name={name} isOpen={props.isOpen} />]
            : [groupText(item, track.column, run => track.column.render(run, context)[0])];
        return (
          <div
            key={track.column.id}
            {...placeOf(track, all.indexOf(track))}
            role="gridcell"
            title={isGroup(item) ? text : (track.column.exact?.(item) ?? text)}
          >
            {content}
          </div>
        );
      })}
    </div>
  );
});

function GroupTitle(props: { name: string; isOpen: boolean }): JSX.Element {
  const Caret = props.isOpen ? caretDownIcon : caretRightIcon;
  return (
    <span className="rj-Runs-group">
      <Caret.react tag="span" />
      <span className="rj-Ellipsis">{props.name}</span>
    </span>
  );
}

/** What a group is called: its values, and how many runs it has. */
function titleOf(group: IGroup, by: readonly IColumn[], context: ICellContext): string {
  const { trans } = context;
  const parts = by.map(column => {
    const text = column.render(group.runs[0] as Run, context)[0];
    return `${column.label(trans)} = ${text || trans.__('not given')}`;
  });
  return `${parts.join(', ')} · ${trans._n('%1 run', '%1 runs', group.runs.length)}`;
}
