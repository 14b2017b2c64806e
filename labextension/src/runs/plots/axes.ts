/** Axes of values of runs: numbers, logarithms of them, or words. Pure functions. */

import type { Run } from '../../api/client.js';
import { formatNumber, WRITTEN_DIGITS } from '../../ui/numbers.js';
import { compareValues, type CellValue, type IColumn } from '../columns.js';

/** Numbers that span more than so many times are drawn by their logarithms. */
const LOG_SPAN = 100;
/** The part of an axis that is left free at either end. */
const PADDING = 0.05;

/** An axis. */
export interface IAxis {
  column: IColumn;
  /** The words in their order; null where all values are numbers. A word's place is its number. */
  words: readonly string[] | null;
  /** The least and the greatest number that a run has. */
  least: number;
  greatest: number;
  isLog: boolean;
  /** Return a run's number; null where it has none that can be drawn. */
  at: (run: Run) => number | null;
}

/** Return the axis of a column over the values that runs have of it; null where none has any. */
export function axisOf(column: IColumn, runs: readonly Run[]): IAxis | null {
  const values = new Set<CellValue>();
  for (const run of runs) {
    const value = column.value(run);
    if (value !== undefined && (typeof value !== 'number' || Number.isFinite(value))) {
      values.add(value);
    }
  }
  if (values.size === 0) {
    return null;
  }
  const numbers = [...values].filter((value): value is number => typeof value === 'number');
  if (numbers.length < values.size) {
    return axisOfWords(column, values);
  }
  const least = numbers.reduce((a, b) => Math.min(a, b));
  const greatest = numbers.reduce((a, b) => Math.max(a, b));
  const at = (run: Run): number | null => {
    const value = column.value(run);
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  };
  const isLog = least > 0 && greatest / least > LOG_SPAN;
  return { column, words: null, least, greatest, isLog, at };
}

function axisOfWords(column: IColumn, values: ReadonlySet<CellValue>): IAxis {
  const sorted = [...values].sort((a, b) => compareValues(a, b, false));
  const words = [...new Set(sorted.map(wordOf))];
  const places = new Map(words.map((word, index) => [word, index]));
  const at = (run: Run): number | null => places.get(wordOf(column.value(run))) ?? null;
  return { column, words, least: 0, greatest: words.length - 1, isLog: false, at };
}

/** True and "true" are the same here, and so are 1 and "1": they are read off an axis. */
function wordOf(value: CellValue): string {
  return formatNumber(value, WRITTEN_DIGITS);
}

/** Return where a number is between the least (0) and the greatest (1). */
export function placeOf(axis: IAxis, value: number): number {
  const { least, greatest } = axis;
  if (least === greatest) {
    return 0.5;
  }
  return axis.isLog
    ? Math.log(value / least) / Math.log(greatest / least)
    : (value - least) / (greatest - least);
}

/** Return the number at a place, 0 to 1. */
export function numberAt(axis: IAxis, place: number): number {
  const { least, greatest } = axis;
  return axis.isLog ? least * (greatest / least) ** place : least + (greatest - least) * place;
}

/** Return the numbers that a drawn axis begins and ends with: nothing lies on its edge. */
export function rangeOf(axis: IAxis): [from: number, to: number] {
  const { least, greatest } = axis;
  if (axis.words || least === greatest) {
    const room = axis.words ? 0.5 : Math.abs(least) / 10 || 0.5;
    return [least - room, greatest + room];
  }
  return [numberAt(axis, -PADDING), numberAt(axis, 1 + PADDING)];
}

/** Return the beginning of a text that is longer than there is room for. */
export function shortened(text: string, longest: number): string {
  const characters = [...text];
  return characters.length > longest ? `${characters.slice(0, longest - 1).join('')}…` : text;
}

/** Return the text of a number of an axis; '' where there is none. */
export function textAt(axis: IAxis, value: number | null): string {
  return value === null
    ? ''
    : axis.words
      ? (axis.words[value] ?? '')
      : (axis.column.format ?? formatNumber)(value);
}
