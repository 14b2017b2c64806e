/** The table of runs: an ARIA grid that draws only the rows in sight. */

import { caretDownEmptyThinIcon, caretUpEmptyThinIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Run } from '../api/client.js';
import type { Dates } from '../ui/dates.js';
import { keyOfRun } from '../state/runs.js';
import { columnsFor, gridOf, type IOrder } from './columns.js';
import { nameOf, windowOf, type IWindow } from './table.js';

/** The height of a row in CSS pixels; the stylesheet has it too. */
const ROW_HEIGHT = 30;
/** How many rows are drawn beyond either end of what is in sight. */
const SPARE_ROWS = 12;
/** How many rows Page Up and Page Down move by. */
const PAGE_ROWS = 20;

/** What the table shows, and what it tells of. */
export interface IRunsTableProps {
  runs: readonly Run[];
  /** The metric of the last column, or ''. */
  metric: string;
  order: IOrder;
  selected: ReadonlySet<string>;
  trans: TranslationBundle;
  dates: Dates;
  onOrder: (order: IOrder) => void;
  onToggle: (run: Run) => void;
  onOpen: (run: Run) => void;
}

/** The table. */
export function RunsTable(props: IRunsTableProps): JSX.Element {
  const { runs, trans, dates } = props;
  const id = React.useId();
  const { ref, at, measure } = useWindow(runs.length);
  const keys = useKeys(props, ref);
  const runOf = (event: React.MouseEvent): Run | undefined => {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-index]');
    return runs[Number(row?.dataset.index ?? -1)];
  };
  const isActiveDrawn = keys.active >= at.first && keys.active < at.end;
  return (
    <div
      ref={ref}
      className="rj-Runs-table"
      role="grid"
      style={{ '--rj-runs-columns': gridOf(props.metric) } as React.CSSProperties}
      aria-label={trans.__('Runs of all servers')}
      aria-multiselectable
      aria-rowcount={runs.length + 1}
      aria-activedescendant={isActiveDrawn ? `${id}-${keys.active}` : undefined}
      tabIndex={0}
      onScroll={measure}
      onKeyDown={keys.onKeyDown}
      onClick={event => {
        const run = runOf(event);
        if (run) {
          keys.setActive(keyOfRun(run));
          if ((event.target as HTMLElement).closest('.rj-Runs-check')) {
            props.onToggle(run);
          }
        }
      }}
      onDoubleClick={event => {
        const run = runOf(event);
        if (run && !(event.target as HTMLElement).closest('.rj-Runs-check')) {
          props.onOpen(run);
        }
      }}
    >
      <Head {...props} />
      <div
        className="rj-Runs-body"
        role="rowgroup"
        style={{ height: `${runs.length * ROW_HEIGHT}px` }}
      >
        {runs.slice(at.first, at.end).map((run, offset) => (
          <Row
            key={keyOfRun(run)}
            id={`${id}-${at.first + offset}`}
            index={at.first + offset}
            {...{ run, trans, dates }}
            metric={props.metric}
            isActive={at.first + offset === keys.active}
            isSelected={props.selected.has(keyOfRun(run))}
          />
        ))}
      </div>
    </div>
  );
}

/** The rows in sight; drawn anew only when they are others. */
function useWindow(count: number): {
  ref: React.RefObject<HTMLDivElement>;
  at: IWindow;
  measure: () => void;
} {
  const ref = React.useRef<HTMLDivElement>(null);
  const [at, setAt] = React.useState<IWindow>({ first: 0, end: 0 });
  const measure = React.useCallback((): void => {
    const node = ref.current;
    if (node) {
      const next = windowOf(node.scrollTop, node.clientHeight, ROW_HEIGHT, count, SPARE_ROWS);
      setAt(now => (now.first === next.first && now.end === next.end ? now : next));
    }
  }, [count]);
  React.useLayoutEffect(() => {
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, [measure]);
  return { ref, at, measure };
}

interface IKeys {
  /** The index of the row that the keyboard is at. */
  active: number;
  setActive: (key: string) => void;
  onKeyDown: (event: React.KeyboardEvent) => void;
}

/** The keyboard's place; it stays with its run when rows come and go. */
function useKeys(props: IRunsTableProps, ref: React.RefObject<HTMLDivElement>): IKeys {
  const { runs } = props;
  const [key, setActive] = React.useState('');
  const active = Math.max(
    0,
    React.useMemo(() => runs.findIndex(run => keyOfRun(run) === key), [runs, key])
  );
  const moveTo = (index: number): void => {
    const run = runs[index];
    const node = ref.current;
    if (run && node) {
      setActive(keyOfRun(run));
      // The head covers the first row's height.
      const top = index * ROW_HEIGHT;
      const sight = node.clientHeight - 2 * ROW_HEIGHT;
      node.scrollTop = Math.max(top - sight, Math.min(node.scrollTop, top));
    }
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const last = runs.length - 1;
    const target = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + PAGE_ROWS,
      PageUp: active - PAGE_ROWS,
      Home: 0,
      End: last
    }[event.key];
    const run = runs[active];
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (target !== undefined) {
      moveTo(Math.max(0, Math.min(target, last)));
    } else if (event.key === ' ' && run) {
      props.onToggle(run);
    } else if (event.key === 'Enter' && run) {
      props.onOpen(run);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return { active, setActive, onKeyDown };
}

function cellClass(column: string, isNumber = false): string {
  return `rj-Runs-cell rj-mod-${column}${isNumber ? ' rj-mod-number' : ''}`;
}

function Head(props: IRunsTableProps): JSX.Element {
  const { trans, metric, order, onOrder } = props;
  return (
    <div className="rj-Runs-head" role="rowgroup">
      <div className="rj-Runs-row" role="row" aria-rowindex={1}>
        <div className="rj-Runs-check" role="columnheader">
          <span className="rj-VisuallyHidden">{trans.__('Compare')}</span>
        </div>
        {columnsFor(metric).map(({ id: column, label: labelOf, isNumber }) => {
          const label = labelOf(trans, metric);
          const isOrder = order.column === column;
          const Caret = order.descending ? caretDownEmptyThinIcon : caretUpEmptyThinIcon;
          return (
            <div
              key={column}
              className={cellClass(column, isNumber)}
              role="columnheader"
              aria-sort={isOrder ? (order.descending ? 'descending' : 'ascending') : 'none'}
            >
              <button
                type="button"
                title={label}
                onClick={() =>
                  onOrder({
                    column,
                    descending: isOrder ? !order.descending : column === 'created'
                  })
                }
              >
                <span className="rj-Ellipsis">{label}</span>
                {isOrder && <Caret.react tag="span" />}
              </button>
            </div>
          );
        })}
      </div>
    </div>
  );
}

interface IRowProps {
  id: string;
  index: number;
  run: Run;
  metric: string;
  isActive: boolean;
  isSelected: boolean;
  trans: TranslationBundle;
  dates: Dates;
}

const Row = React.memo(function Row(props: IRowProps): JSX.Element {
  const { run, index, metric, isActive, isSelected, trans, dates } = props;
  const [name] = nameOf(run);
  return (
    <div
      id={props.id}
      className="rj-Runs-row"
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      data-active={isActive || undefined}
      data-status={run.status}
      data-index={index}
      style={{ top: `${index * ROW_HEIGHT}px` }}
    >
      <div className="rj-Runs-check" role="gridcell">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isSelected}
          readOnly
          aria-label={trans.__('Compare %1', name)}
        />
      </div>
      {columnsFor(metric).map(({ id, isNumber, render }) => {
        const [text, content = text] = render(run, { trans, dates, metric });
        return (
          <div key={id} className={cellClass(id, isNumber)} role="gridcell" title={text}>
            {content}
          </div>
        );
      })}
    </div>
  );
});
