/** Colours that tell a value of runs: one a word, or a ramp for numbers. Pure functions. */

import type { Run } from '../../api/client.js';
import { styleOf } from '../../curves/style.js';
import type { IColumn } from '../columns.js';
import { axisOf, placeOf, textAt, type IAxis } from './axes.js';

/** How many words have a colour of their own: the most frequent ones. */
export const MOST_WORDS = 9;
/** The colour of the others, and of runs without a value. */
const OTHERS = styleOf(MOST_WORDS).color;
/** How many colours a ramp has. */
const SHADES = 12;
/** The ends of a ramp: told apart by who cannot tell red from green. */
const [LEAST, GREATEST] = [styleOf(0).color, styleOf(1).color];

/** What one colour means. */
export interface ILegendWord {
  color: string;
  /** Null: any other word, or none. */
  text: string | null;
  count: number;
}

/** How runs are coloured. */
export interface IColoring {
  colorOf: (run: Run) => string;
  /** The words, the most frequent first; empty for numbers. */
  words: readonly ILegendWord[];
  /** The colours from the least number to the greatest, with the texts of these; null for words. */
  ramp: { colors: readonly string[]; least: string; greatest: string } | null;
}

/** Colour runs by a column. */
export function coloringOf(column: IColumn, runs: readonly Run[]): IColoring {
  const axis = axisOf(column, runs);
  return axis && !axis.words ? byNumber(axis) : byWord(axis, runs);
}

function byNumber(axis: IAxis): IColoring {
  const colors = Array.from({ length: SHADES }, (_, index) => mixed(index / (SHADES - 1)));
  const colorOf = (run: Run): string => {
    const value = axis.at(run);
    return value === null ? OTHERS : colors[Math.round(placeOf(axis, value) * (SHADES - 1))]!;
  };
  const [least, greatest] = [textAt(axis, axis.least), textAt(axis, axis.greatest)];
  return { colorOf, words: [], ramp: { colors, least, greatest } };
}

function byWord(axis: IAxis | null, runs: readonly Run[]): IColoring {
  const counts = new Map<number | null, number>();
  for (const run of runs) {
    const word = axis?.at(run) ?? null;
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const frequent = [...counts]
    .filter((entry): entry is [number, number] => entry[0] !== null)
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .slice(0, MOST_WORDS);
  const colors = new Map(frequent.map(([word], index) => [word, styleOf(index).color]));
  const words: ILegendWord[] = frequent.map(([word, count]) => ({
    color: colors.get(word)!,
    text: textAt(axis!, word),
    count
  }));
  const rest = runs.length - words.reduce((sum, word) => sum + word.count, 0);
  if (rest > 0) {
    words.push({ color: OTHERS, text: null, count: rest });
  }
  const colorOf = (run: Run): string => colors.get(axis?.at(run) ?? -1) ?? OTHERS;
  return { colorOf, words, ramp: null };
}

/** Mix the ends of a ramp. */
function mixed(part: number): string {
  const channel = (at: number): string => {
    const [a, b] = [LEAST, GREATEST].map(color => parseInt(color.slice(at, at + 2), 16));
    return Math.round(a! + (b! - a!) * part)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(1)}${channel(3)}${channel(5)}`;
}
