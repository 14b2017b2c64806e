/** The rows and columns of the table as TanStack Table works them out: order, groups, widths, what is pinned. */

import {
  columnPinningFeature,
  columnSizingFeature,
  createExpandedRowModel,
  createSortedRowModel,
  rowExpandingFeature,
  rowSortingFeature,
  tableFeatures,
  useTable,
  type ColumnDef,
  type TableOptions
} from '@tanstack/react-table';
import React from 'react';

import type { Run } from '../api/client.js';
import { keyOfRun } from '../state/runs.js';
import { columnOf, compareValues, type CellValue, type IColumn } from './columns.js';
import type { GpuPlaces } from './gpuPlaces.js';
import { groupRuns, groupValue, type IGroup } from './groups.js';
import { isNewestFirst, MAX_WIDTH, MIN_WIDTH, type ILayout } from './layout.js';

/** What a row shows. */
export type Item = Run | IGroup;

const features = tableFeatures({
  columnPinningFeature,
  columnSizingFeature,
  rowExpandingFeature,
  rowSortingFeature,
  expandedRowModel: createExpandedRowModel(),
  sortedRowModel: createSortedRowModel()
});

/** A column with its place, in CSS pixels from where those of its kind begin. */
export interface ITrack {
  column: IColumn;
  start: number;
  size: number;
  isPinned: boolean;
}

/** The table as it is to be drawn. */
export interface IRunsModel {
  /** The rows in their order: groups, runs, and the runs of groups that are open. */
  items: readonly Item[];
  /** The pinned ones first. */
  tracks: readonly ITrack[];
  /** What runs are grouped by. */
  groupBy: readonly IColumn[];
  isOpen: (group: IGroup) => boolean;
  /** Open or close a group. */
  toggle: (group: IGroup) => void;
}

/** Whether a row is a group. */
export function isGroup(item: Item): item is IGroup {
  return 'by' in item;
}

/** The key of a row. */
export function keyOf(item: Item): string {
  return isGroup(item) ? item.key : keyOfRun(item);
}

/** The columns that there are of those in the layout. */
function columnsOf(layout: ILayout, metric: string, gpus: GpuPlaces | null): IColumn[] {
  return layout.columns
    .map(({ id }) => columnOf(id, metric, gpus))
    .filter((column): column is IColumn => column !== null);
}

function definitionsOf(
  columns: readonly IColumn[],
  layout: ILayout
): ColumnDef<typeof features, Item>[] {
  return columns.map(column => {
    const isDescending = layout.sort.find(key => key.id === column.id)?.desc ?? false;
    return {
      id: column.id,
      accessorFn: (item: Item) => (isGroup(item) ? groupValue(item, column) : column.value(item)),
      size: column.width,
      minSize: MIN_WIDTH,
      maxSize: MAX_WIDTH,
      sortDescFirst: column.isDescending ?? false,
      sortUndefined: 'last',
      // It is turned round after this, which must not move texts before numbers.
      sortFn: (a, b, id) => {
        const order = compareValues(
          a.getValue<CellValue>(id),
          b.getValue<CellValue>(id),
          isDescending
        );
        return isDescending ? -order : order;
      }
    };
  });
}

/** The columns that there are of those that runs are grouped by. */
function groupColumnsOf(layout: ILayout, metric: string, gpus: GpuPlaces | null): IColumn[] {
  return columnsOf({ ...layout, columns: layout.groupBy.map(id => ({ id })) }, metric, gpus);
}

/** Work out what the table shows. */
export function useRunsModel(
  runs: readonly Run[],
  layout: ILayout,
  metric: string,
  gpus: GpuPlaces | null
): IRunsModel {
  const columns = React.useMemo(() => columnsOf(layout, metric, gpus), [layout, metric, gpus]);
  const groupBy = React.useMemo(() => groupColumnsOf(layout, metric, gpus), [layout, metric, gpus]);
  const data = React.useMemo<readonly Item[]>(
    () => (groupBy.length > 0 ? groupRuns(runs, groupBy) : runs),
    [runs, groupBy]
  );
  const table = useTable<typeof features, Item>({
    features,
    columns: React.useMemo(() => definitionsOf(columns, layout), [columns, layout]),
    data,
    getRowId: keyOf,
    getSubRows: item => (isGroup(item) ? item.runs : undefined),
    enableSortingRemoval: false,
    autoResetExpanded: false,
    state: stateOf(layout)
  });
  const byId = new Map(columns.map(column => [column.id, column]));
  const tracks = [...table.getStartLeafColumns(), ...table.getCenterLeafColumns()].map(column => {
    const isPinned = column.getIsPinned() === 'start';
    return {
      column: byId.get(column.id)!,
      start: column.getStart(isPinned ? 'start' : 'center'),
      size: column.getSize(),
      isPinned
    };
  });
  const { rows } = table.getRowModel();
  return {
    items: React.useMemo(() => rows.map(row => row.original), [rows]),
    tracks: useEqualTracks(tracks),
    groupBy,
    isOpen: group => table.getRow(group.key, true).getIsExpanded(),
    toggle: group => table.getRow(group.key, true).toggleExpanded()
  };
}

/** What the table is told of the layout. */
function stateOf(layout: ILayout): TableOptions<typeof features, Item>['state'] {
  const widths = layout.columns.filter(column => column.width !== undefined);
  const pinned = layout.columns.filter(column => column.isPinned);
  return {
    columnSizing: Object.fromEntries(widths.map(({ id, width }) => [id, width!])),
    columnPinning: { start: pinned.map(column => column.id), end: [] },
    // As they come, which is as the server sorts them.
    sorting: isNewestFirst(layout.sort) ? [] : [...layout.sort]
  };
}

/** Return the tracks that were there before if these are the same: rows are drawn anew for others only. */
function useEqualTracks(tracks: readonly ITrack[]): readonly ITrack[] {
  const [kept, keep] = React.useState(tracks);
  const isEqual =
    kept.length === tracks.length &&
    kept.every((track, index) => {
      const other = tracks[index]!;
      return (
        track.column === other.column &&
        track.start === other.start &&
        track.size === other.size &&
        track.isPinned === other.isPinned
      );
    });
  if (isEqual) {
    return kept;
  }
  keep(tracks);
  return tracks;
}
