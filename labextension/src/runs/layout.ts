/** Which columns the table of runs has, how it is sorted and grouped: pure functions. */

/** A column that is shown. */
export interface ILayoutColumn {
  id: string;
  /** In CSS pixels; without one, the column's own. */
  width?: number;
  /** Whether it stays at the left while the others scroll. */
  isPinned?: boolean;
}

/** One of the columns that the rows are sorted by. */
export interface ISortKey {
  id: string;
  desc: boolean;
}

/** All that a person chooses of the table; JSON, kept in the workspace and in the settings. */
export interface ILayout {
  columns: readonly ILayoutColumn[];
  /** The first counts most. */
  sort: readonly ISortKey[];
  /** The columns whose values put runs into groups. */
  groupBy: readonly string[];
}

/** The id of the column that tells which GPUs a run is on. */
export const GPU = 'gpu';
/** How many columns can be shown. */
export const MOST_COLUMNS = 256;
/** How many columns can be sorted or grouped by. */
const MOST_KEYS = 8;
const LONGEST_ID = 256;
/** The narrowest and the widest that a column can be made, in CSS pixels. */
export const MIN_WIDTH = 40;
export const MAX_WIDTH = 1200;

/**
 * What a table starts with: the newest first, as the server has them; what a run comes to is in sight
 * before what it is.
 */
export const DEFAULT_LAYOUT: ILayout = {
  columns: ['status', 'name', 'metric', 'curve', 'server', 'created', 'duration', 'gpu'].map(
    id => ({ id })
  ),
  sort: [{ id: 'created', desc: true }],
  groupBy: []
};

/** Whether this is the order in which the server gives the runs. */
export function isNewestFirst(sort: readonly ISortKey[]): boolean {
  return sort.length === 0 || (sort.length === 1 && sort[0]!.id === 'created' && sort[0]!.desc);
}

/** Read a layout that was kept; what is not of one is left out. */
export function readLayout(value: unknown): ILayout | null {
  const { columns, sort, groupBy } = recordOf(value);
  const shown = unique(listOf(columns).map(recordOf).filter(hasId)).slice(0, MOST_COLUMNS);
  return shown.length === 0
    ? null
    : {
        columns: shown.map(({ id, width, isPinned }) => ({
          id,
          ...(typeof width === 'number' && { width: clampWidth(width) }),
          ...(isPinned === true && { isPinned })
        })),
        sort: unique(listOf(sort).map(recordOf).filter(hasId))
          .slice(0, MOST_KEYS)
          .map(({ id, desc }) => ({ id, desc: desc === true })),
        groupBy: [...new Set(listOf(groupBy).filter(isId))].slice(0, MOST_KEYS)
      };
}

/** Show a column at the right, or no more. */
export function toggleColumn(layout: ILayout, id: string): ILayout {
  const others = layout.columns.filter(column => column.id !== id);
  if (others.length < layout.columns.length) {
    // One always stays: without any there would be nothing to press.
    return others.length === 0 ? layout : { ...layout, columns: others };
  }
  return others.length >= MOST_COLUMNS ? layout : { ...layout, columns: [...others, { id }] };
}

/** Move a column to the place of another one: those between make room. */
export function moveColumn(layout: ILayout, id: string, to: string): ILayout {
  const columns = [...layout.columns];
  const from = columns.findIndex(column => column.id === id);
  const at = columns.findIndex(column => column.id === to);
  if (from >= 0 && at >= 0) {
    columns.splice(at, 0, ...columns.splice(from, 1));
  }
  return { ...layout, columns };
}

/** Return the column beside one, among those that are pinned like it. */
export function neighbourOf(layout: ILayout, id: string, step: -1 | 1): string | null {
  const isPinned = layout.columns.find(column => column.id === id)?.isPinned ?? false;
  const alike = layout.columns.filter(column => (column.isPinned ?? false) === isPinned);
  return alike[alike.findIndex(column => column.id === id) + step]?.id ?? null;
}

/** Change what is said of a column. */
export function changeColumn(
  layout: ILayout,
  id: string,
  change: Partial<Pick<ILayoutColumn, 'width' | 'isPinned'>>
): ILayout {
  const width = change.width === undefined ? {} : { width: clampWidth(change.width) };
  return {
    ...layout,
    columns: layout.columns.map(column =>
      column.id === id ? { ...column, ...change, ...width } : column
    )
  };
}

/** Group by a column too, or no more. */
export function toggleGroup(layout: ILayout, id: string): ILayout {
  const others = layout.groupBy.filter(each => each !== id);
  const groupBy = others.length < layout.groupBy.length ? others : [...others, id];
  return { ...layout, groupBy: groupBy.slice(-MOST_KEYS) };
}

function clampWidth(width: number): number {
  return Math.round(Math.max(MIN_WIDTH, Math.min(width, MAX_WIDTH)));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_ID;
}

function hasId(value: Record<string, unknown>): value is Record<string, unknown> & { id: string } {
  return isId(value.id);
}

function unique<T extends { id: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map(item => [item.id, item])).values()];
}
