/** The table of runs: an ARIA grid that draws only the rows and columns in sight. */

import { useVirtualizer } from '@tanstack/react-virtual';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Run } from '../api/client.js';
import { Sparks } from '../curves/Sparks.js';
import type { Dates } from '../ui/dates.js';
import { keyOfRun } from '../state/runs.js';
import { useRunicorn } from '../ui/shared.js';
import { useSame } from '../ui/useSame.js';
import { CURVE } from './columns.js';
import type { ILayout } from './layout.js';
import { TableHead } from './TableHead.js';
import { CHECK_WIDTH, ROW_HEIGHT, TableRow } from './TableRow.js';
import { isGroup, keyOf, type IRunsModel, type Item, type ITrack } from './tableModel.js';

/** How many rows are drawn beyond either end of what is in sight. */
const SPARE_ROWS = 12;
/** How many columns are drawn beyond either side of what is in sight. */
const SPARE_COLUMNS = 2;
/** The key that shows the machine of the run that the keyboard is at. */
const MACHINE_KEY = 'g';
/** How many rows Page Up and Page Down move by. */
const PAGE_ROWS = 20;

/** What the table shows, and what it tells of. */
export interface IRunsTableProps {
  model: IRunsModel;
  layout: ILayout;
  selected: ReadonlySet<string>;
  /** The chosen metric, or ''. */
  metric: string;
  trans: TranslationBundle;
  dates: Dates;
  onLayout: (layout: ILayout) => void;
  /** Select these runs, or no more if all of them are. */
  onToggle: (runs: readonly Run[]) => void;
  onOpen: (run: Run) => void;
  /** Show the machine that a run is on. */
  onMachine: (run: Run) => void;
}

/** The table. */
export function RunsTable(props: IRunsTableProps): JSX.Element {
  const { model, trans, layout } = props;
  const { items, tracks } = model;
  const { runs } = useRunicorn();
  const id = React.useId();
  const ref = React.useRef<HTMLDivElement>(null);
  const keys = useKeys(props, ref);
  const { rows, drawn, pinned, width } = useWindow(ref, items.length, tracks);
  const seen = useSame(runsOf(items, rows));
  const isShown = drawn.some(track => track.column.id === CURVE);
  const metric = isShown ? props.metric : '';
  const metricOf = React.useCallback(() => metric, [metric]);
  const sizes = {
    '--rj-runs-width': `${width}px`,
    '--rj-runs-pinned': `${CHECK_WIDTH + pinned}px`
  };
  return (
    <div
      ref={ref}
      className="rj-Runs-table"
      role={model.groupBy.length > 0 ? 'treegrid' : 'grid'}
      style={sizes as React.CSSProperties}
      aria-label={trans.__('Runs of all servers')}
      aria-multiselectable
      aria-rowcount={items.length + 1}
      aria-colcount={tracks.length + 1}
      aria-activedescendant={rows.includes(keys.active) ? `${id}-${keys.active}` : undefined}
      tabIndex={0}
      onKeyDown={keys.onKeyDown}
      {...mouseOf(props, keys)}
    >
      <TableHead {...{ model, layout, trans }} tracks={drawn} onLayout={props.onLayout} />
      <Sparks node={ref} store={runs} runs={seen} metricOf={metricOf}>
        <Body {...props} {...{ id, rows, drawn }} active={keys.active} />
      </Sparks>
    </div>
  );
}

function Body(
  props: IRunsTableProps & {
    id: string;
    rows: readonly number[];
    drawn: readonly ITrack[];
    active: number;
  }
): JSX.Element {
  const { model, trans, dates, selected, active } = props;
  const { items, groupBy } = model;
  const context = React.useMemo(() => ({ trans, dates }), [trans, dates]);
  return (
    <div
      className="rj-Runs-body"
      role="rowgroup"
      style={{ height: `${items.length * ROW_HEIGHT}px` }}
    >
      {props.rows.map(index => {
        const item = items[index];
        return (
          item && (
            <TableRow
              key={keyOf(item)}
              id={`${props.id}-${index}`}
              {...{ index, item, groupBy, context }}
              all={model.tracks}
              tracks={props.drawn}
              isActive={index === active}
              isSelected={isSelected(item, selected)}
              isOpen={isGroup(item) && model.isOpen(item)}
            />
          )
        );
      })}
    </div>
  );
}

/** What the mouse does to rows: one listener each for all of them. */
function mouseOf(
  props: IRunsTableProps,
  keys: IKeys
): Pick<React.HTMLAttributes<HTMLElement>, 'onClick' | 'onDoubleClick'> {
  const { model } = props;
  const itemAt = (target: HTMLElement): Item | undefined => {
    const row = target.closest<HTMLElement>('[data-index]');
    return model.items[Number(row?.dataset.index ?? -1)];
  };
  return {
    onClick: event => {
      const target = event.target as HTMLElement;
      const item = itemAt(target);
      if (item) {
        keys.setActive(keyOf(item));
        if (target.closest('.rj-Runs-check')) {
          props.onToggle(isGroup(item) ? item.runs : [item]);
        } else if (!isGroup(item) && target.closest('.rj-Runs-gpu')) {
          props.onMachine(item);
        } else if (isGroup(item) && target.closest('.rj-Runs-group')) {
          model.toggle(item);
        }
      }
    },
    onDoubleClick: event => {
      const target = event.target as HTMLElement;
      const item = itemAt(target);
      if (item && !isGroup(item) && !target.closest('.rj-Runs-check, .rj-Runs-gpu')) {
        props.onOpen(item);
      }
    }
  };
}

function isSelected(item: Item, selected: ReadonlySet<string>): boolean {
  return isGroup(item)
    ? item.runs.every(run => selected.has(keyOfRun(run)))
    : selected.has(keyOfRun(item));
}

/** The runs in the drawn rows. */
function runsOf(items: readonly Item[], rows: readonly number[]): Run[] {
  return rows.flatMap(index => {
    const item = items[index];
    return item && !isGroup(item) ? [item] : [];
  });
}

/** The rows and columns in sight, and some to spare. */
function useWindow(
  ref: React.RefObject<HTMLDivElement>,
  count: number,
  tracks: readonly ITrack[]
): { rows: readonly number[]; drawn: readonly ITrack[]; pinned: number; width: number } {
  const fixed = React.useMemo(() => tracks.filter(track => track.isPinned), [tracks]);
  const moving = React.useMemo(() => tracks.filter(track => !track.isPinned), [tracks]);
  const pinned = fixed.reduce((sum, track) => sum + track.size, 0);
  const getScrollElement = (): HTMLDivElement | null => ref.current;
  const vertical = useVirtualizer({
    count,
    getScrollElement,
    estimateSize: () => ROW_HEIGHT,
    overscan: SPARE_ROWS,
    useFlushSync: false
  });
  const horizontal = useVirtualizer({
    horizontal: true,
    count: moving.length,
    getScrollElement,
    estimateSize: index => moving[index]!.size,
    overscan: SPARE_COLUMNS,
    paddingStart: CHECK_WIDTH + pinned,
    useFlushSync: false
  });
  React.useLayoutEffect(() => horizontal.measure(), [horizontal, moving]);
  const columns = horizontal.getVirtualItems();
  const [first, end] = [columns[0]?.index ?? 0, (columns[columns.length - 1]?.index ?? -1) + 1];
  const drawn = React.useMemo(
    () => [...fixed, ...moving.slice(first, end)],
    [fixed, moving, first, end]
  );
  return {
    rows: vertical.getVirtualItems().map(item => item.index),
    drawn,
    pinned,
    width: horizontal.getTotalSize()
  };
}

interface IKeys {
  /** The index of the row that the keyboard is at. */
  active: number;
  setActive: (key: string) => void;
  onKeyDown: (event: React.KeyboardEvent) => void;
}

/** The keyboard's place; it stays with its row when rows come and go. */
function useKeys(props: IRunsTableProps, ref: React.RefObject<HTMLDivElement>): IKeys {
  const { model } = props;
  const { items } = model;
  const [key, setActive] = React.useState('');
  const active = Math.max(
    0,
    React.useMemo(() => items.findIndex(item => keyOf(item) === key), [items, key])
  );
  const moveTo = (index: number): void => {
    const item = items[index];
    const node = ref.current;
    if (item && node) {
      setActive(keyOf(item));
      // The head covers the first row's height.
      const top = index * ROW_HEIGHT;
      const sight = node.clientHeight - 2 * ROW_HEIGHT;
      node.scrollTop = Math.max(top - sight, Math.min(node.scrollTop, top));
    }
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const last = items.length - 1;
    const target = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + PAGE_ROWS,
      PageUp: active - PAGE_ROWS,
      Home: 0,
      End: last
    }[event.key];
    const item = items[active];
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (target !== undefined) {
      moveTo(Math.max(0, Math.min(target, last)));
    } else if (!item || !press(props, item, event.key)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return { active, setActive, onKeyDown };
}

/** Do what a key does to a row; whether it does anything. */
function press(props: IRunsTableProps, item: Item, key: string): boolean {
  const { model } = props;
  if (key === ' ') {
    props.onToggle(isGroup(item) ? item.runs : [item]);
    return true;
  }
  if (!isGroup(item)) {
    if (key === 'Enter') {
      props.onOpen(item);
    } else if (key === MACHINE_KEY) {
      props.onMachine(item);
    }
    return key === 'Enter' || key === MACHINE_KEY;
  }
  const isOpen = model.isOpen(item);
  if (key === 'Enter' || (key === 'ArrowRight' && !isOpen) || (key === 'ArrowLeft' && isOpen)) {
    model.toggle(item);
    return true;
  }
  return false;
}
