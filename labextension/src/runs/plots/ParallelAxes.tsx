/** The axes of parallel coordinates, with what is marked of them and the run that is meant. */

import React from 'react';

import { placeOf, shortened, textAt, type IAxis } from './axes.js';
import {
  cornersOf,
  leftOf,
  MARGINS,
  topOf,
  type Brushes,
  type IRunLine,
  type ISize
} from './parallel.js';

/** How far beside an axis it can still be taken hold of, in CSS pixels. */
export const AXIS_REACH = 14;
/** The height of a word, and about the width of a character, in CSS pixels. */
const [WORD_HEIGHT, CHARACTER] = [15, 7];

/** The axes. */
export function ParallelAxes(props: {
  axes: readonly IAxis[];
  names: readonly string[];
  size: ISize;
  brushes: Brushes;
  /** The run that is meant; null: none. */
  raised: IRunLine | null;
}): JSX.Element {
  const { axes, names, size, raised } = props;
  return (
    <svg className="rj-Plot-parallel" width={size.width} height={size.height} aria-hidden>
      {raised &&
        cornersOf(raised, size).map((piece, at) => (
          <polyline key={at} points={piece.map(corner => corner.join()).join(' ')} />
        ))}
      {axes.map((axis, at) => (
        <Axis
          key={axis.column.id}
          {...{ axis, size }}
          name={names[at]!}
          left={leftOf(at, axes.length, size)}
          room={Math.min(2 * MARGINS.side, size.width / axes.length)}
          brush={props.brushes.get(axis.column.id) ?? null}
        />
      ))}
    </svg>
  );
}

function Axis(props: {
  axis: IAxis;
  name: string;
  left: number;
  /** How wide its texts may be. */
  room: number;
  size: ISize;
  brush: readonly [number, number] | null;
}): JSX.Element {
  const { axis, left, size, brush } = props;
  const [top, foot] = [topOf(1, size), topOf(0, size)];
  const longest = Math.max(4, Math.floor(props.room / CHARACTER));
  const topAt = (value: number): number => topOf(placeOf(axis, value), size);
  return (
    <g transform={`translate(${left} 0)`}>
      <title>{props.name}</title>
      <rect
        className="rj-mod-hold"
        x={-AXIS_REACH}
        y={top}
        width={2 * AXIS_REACH}
        height={foot - top}
      />
      <line y1={top} y2={foot} />
      {brush && (
        <rect
          className="rj-mod-brush"
          x={-6}
          y={topAt(brush[1])}
          width={12}
          height={topAt(brush[0]) - topAt(brush[1])}
        />
      )}
      <text className="rj-mod-name" y={14}>
        {shortened(props.name, longest)}
      </text>
      {textsOf(axis, size).map(([value, y]) => (
        <text key={value} y={y}>
          {shortened(textAt(axis, value), longest)}
        </text>
      ))}
    </g>
  );
}

/** The numbers whose texts an axis has room for, and where these are from the top. */
function textsOf(axis: IAxis, size: ISize): Array<readonly [value: number, top: number]> {
  const { words, least, greatest } = axis;
  const room = topOf(0, size) - topOf(1, size);
  if (words && words.length > 2 && words.length * WORD_HEIGHT <= room) {
    return words.map((_, at) => [at, topOf(placeOf(axis, at), size) + 4] as const);
  }
  const [top, foot] = [topOf(1, size) - 8, topOf(0, size) + 16];
  return least === greatest
    ? [[least, foot]]
    : [
        [greatest, top],
        [least, foot]
      ];
}
