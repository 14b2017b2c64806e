/** The head of the table of runs: sort, move, widen and narrow columns. */

import { caretDownEmptyThinIcon, caretUpEmptyThinIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { CHOSEN_METRIC, type IColumn } from './columns.js';
import { changeColumn, moveColumn, neighbourOf, type ILayout, type ISortKey } from './layout.js';
import { placeOf } from './TableRow.js';
import type { IRunsModel, ITrack } from './tableModel.js';

/** How much wider one key makes a column, in CSS pixels. */
const KEY_WIDTH = 16;

/** What the head shows, and what it tells of. */
export interface ITableHeadProps {
  model: IRunsModel;
  /** Those in sight, and those that are pinned. */
  tracks: readonly ITrack[];
  layout: ILayout;
  trans: TranslationBundle;
  onLayout: (layout: ILayout) => void;
}

/** Sort by a column: alone, or after those that are sorted by; pressed again, the other way round. */
export function sortedBy(sort: readonly ISortKey[], column: IColumn, isMore: boolean): ISortKey[] {
  const now = sort.find(key => key.id === column.id);
  const next = { id: column.id, desc: now ? !now.desc : (column.isDescending ?? false) };
  if (!isMore) {
    return [next];
  }
  return now ? sort.map(key => (key === now ? next : key)) : [...sort, next];
}

/** The head. */
export function TableHead(props: ITableHeadProps): JSX.Element {
  const { tracks, trans } = props;
  return (
    <div className="rj-Runs-head" role="rowgroup">
      <div className="rj-Runs-row" role="row" aria-rowindex={1}>
        <div className="rj-Runs-check" role="columnheader" aria-colindex={1}>
          <span className="rj-VisuallyHidden">{trans.__('Compare')}</span>
        </div>
        {tracks.map(track => (
          <Heading key={track.column.id} {...props} track={track} />
        ))}
      </div>
    </div>
  );
}

function Heading(props: ITableHeadProps & { track: ITrack }): JSX.Element {
  const { track, layout, model, trans, onLayout } = props;
  const { column } = track;
  const place = layout.sort.findIndex(key => key.id === column.id);
  const key = layout.sort[place];
  const label = column.label(trans);
  const Caret = key?.desc ? caretDownEmptyThinIcon : caretUpEmptyThinIcon;
  return (
    <div
      {...placeOf(track, model.tracks.indexOf(track))}
      role="columnheader"
      aria-sort={place < 0 ? 'none' : key!.desc ? 'descending' : 'ascending'}
      {...draggingOf(props)}
    >
      <button
        type="button"
        title={column.id === CHOSEN_METRIC || !column.where ? label : `${label} (${column.where})`}
        aria-keyshortcuts="Alt+ArrowLeft Alt+ArrowRight Shift+ArrowLeft Shift+ArrowRight"
        onKeyDown={event => pressKey(event, props)}
        onClick={event =>
          onLayout({ ...layout, sort: sortedBy(layout.sort, column, event.shiftKey) })
        }
      >
        <span className="rj-Ellipsis">{label}</span>
        {key && <Caret.react tag="span" />}
        {key && layout.sort.length > 1 && (
          <span className="rj-Small" aria-hidden>
            {place + 1}
          </span>
        )}
      </button>
      <Edge {...props} />
    </div>
  );
}

/** The edge by which a column is made wider or narrower. */
function Edge(props: ITableHeadProps & { track: ITrack }): JSX.Element {
  const { layout, onLayout, track } = props;
  const { id } = track.column;
  /** Where the pointer was when the column was 0 wide; null while nobody drags. */
  const origin = React.useRef<number | null>(null);
  const end = (): void => {
    origin.current = null;
  };
  return (
    <span
      className="rj-Runs-resize"
      aria-hidden
      draggable
      onDragStart={event => {
        // Not the column is to be dragged.
        event.preventDefault();
        event.stopPropagation();
      }}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId);
        origin.current = event.clientX - track.size;
      }}
      onPointerMove={event => {
        if (origin.current !== null) {
          onLayout(changeColumn(layout, id, { width: event.clientX - origin.current }));
        }
      }}
      onPointerUp={end}
      onPointerCancel={end}
    />
  );
}

/** Change the column by a key: Alt and an arrow moves it, Shift and an arrow makes it wider or narrower. */
function pressKey(event: React.KeyboardEvent, props: ITableHeadProps & { track: ITrack }): void {
  const { layout, onLayout, track } = props;
  const { id } = track.column;
  const step = ({ ArrowLeft: -1, ArrowRight: 1 } as const)[event.key];
  if (step === undefined || event.ctrlKey || event.metaKey || event.altKey === event.shiftKey) {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  if (event.shiftKey) {
    onLayout(changeColumn(layout, id, { width: track.size + step * KEY_WIDTH }));
  } else {
    const to = neighbourOf(layout, id, step);
    onLayout(to === null ? layout : moveColumn(layout, id, to));
  }
}

const DRAGGED = 'application/x-runicorn-column';

/** What lets a column be dragged to the place of another. */
function draggingOf(
  props: ITableHeadProps & { track: ITrack }
): Pick<React.HTMLAttributes<HTMLElement>, 'draggable' | 'onDragStart' | 'onDragOver' | 'onDrop'> {
  const { layout, onLayout, track } = props;
  const { id } = track.column;
  return {
    draggable: true,
    onDragStart: event => event.dataTransfer.setData(DRAGGED, id),
    onDragOver: event => {
      if (event.dataTransfer.types.includes(DRAGGED)) {
        event.preventDefault();
      }
    },
    onDrop: event => {
      event.preventDefault();
      onLayout(moveColumn(layout, event.dataTransfer.getData(DRAGGED), id));
    }
  };
}
