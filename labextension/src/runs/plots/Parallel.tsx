/** Runs as lines over parallel axes: several values of each at once. */

import React from 'react';

import type { Run } from '../../api/client.js';
import { useRunicorn } from '../../ui/shared.js';
import type { IColumn } from '../columns.js';
import { axisOf, numberAt, type IAxis } from './axes.js';
import { coloringOf } from './coloring.js';
import { drawLines } from './drawLines.js';
import {
  linesOf,
  MOST_DRAWN,
  nearestAxis,
  nearestLine,
  placeAt,
  type Brushes,
  type IRunLine,
  type ISize
} from './parallel.js';
import { AXIS_REACH, ParallelAxes } from './ParallelAxes.js';
import { PLOT_HEIGHT, PlotFigure, usePointing, useWidth, type IPointing } from './PlotFigure.js';
import { PlotLegend } from './PlotLegend.js';
import { PlotNotes } from './PlotNotes.js';
import { columnsOf, PlotTable } from './PlotTable.js';

/** How far from a line the mouse still means it, in CSS pixels. */
const LINE_REACH = 10;
/** A mark that is smaller than this is taken away, in CSS pixels. */
const LEAST_BRUSH = 4;

/** The plot, what its colours mean, and all of it as text. */
export function Parallel(props: {
  runs: readonly Run[];
  /** The axes, from the left. */
  columns: readonly IColumn[];
  color: IColumn;
  onOpen: (run: Run) => void;
}): JSX.Element {
  const { runs, columns, color, onOpen } = props;
  const { trans } = useRunicorn();
  const [brushes, setBrushes] = React.useState<Brushes>(new Map());
  const coloring = React.useMemo(() => coloringOf(color, runs), [color, runs]);
  const axes = React.useMemo(
    () =>
      columns.map(column => axisOf(column, runs)).filter((axis): axis is IAxis => axis !== null),
    [columns, runs]
  );
  const { lines, count } = React.useMemo(
    () => linesOf(runs, axes, coloring.colorOf, brushes),
    [runs, axes, coloring, brushes]
  );
  const passing = React.useMemo(() => lines.filter(line => line.isPassing), [lines]);
  const drawn = React.useMemo(() => passing.map(line => line.run), [passing]);
  return (
    <>
      <PlotNotes total={runs.length} count={count} most={MOST_DRAWN} />
      {count > 0 && (
        <>
          <Figure {...{ axes, lines, passing, brushes, setBrushes, onOpen }} runs={drawn} />
          {/* Below it: the plot must not move while somebody marks a part of it. */}
          {passing.length < lines.length && (
            <p className="rj-Row" role="status">
              {trans.__('%1 of %2 runs lie in what is marked.', passing.length, lines.length)}
              <button type="button" className="rj-Button" onClick={() => setBrushes(new Map())}>
                {trans.__('Show all')}
              </button>
            </p>
          )}
          <PlotLegend label={color.label(trans)} coloring={coloring} />
          <PlotTable runs={drawn} columns={columnsOf([...columns, color])} onOpen={onOpen} />
        </>
      )}
    </>
  );
}

interface IFigureProps {
  axes: readonly IAxis[];
  lines: readonly IRunLine[];
  /** Those that lie in all that is marked, and their runs. */
  passing: readonly IRunLine[];
  runs: readonly Run[];
  brushes: Brushes;
  setBrushes: (brushes: Brushes) => void;
  onOpen: (run: Run) => void;
}

function Figure(props: IFigureProps): JSX.Element {
  const { axes, lines, passing, runs, brushes } = props;
  const { trans } = useRunicorn();
  const node = React.useRef<HTMLDivElement>(null);
  const canvas = React.useRef<HTMLCanvasElement>(null);
  const pointing = usePointing(runs);
  const width = useWidth(node);
  const size = React.useMemo(() => ({ width, height: PLOT_HEIGHT }), [width]);
  React.useLayoutEffect(() => {
    if (size.width > 0) {
      drawLines(canvas.current!, lines, size);
    }
  }, [lines, size]);
  const names = axes.map(axis => axis.column.label(trans));
  const mouse = useMouse(props, pointing, size);
  return (
    <PlotFigure
      canvas={node}
      {...{ runs, pointing }}
      label={trans.__('Parallel coordinates: %1', names.join(', '))}
      said={axes.map((axis, at) => [names[at]!, axis])}
      onOpen={props.onOpen}
    >
      <div className="rj-Plot-lines" {...mouse}>
        <canvas ref={canvas} />
        <ParallelAxes
          {...{ axes, names, size, brushes }}
          raised={pointing.at === null ? null : passing[pointing.at]!}
        />
      </div>
    </PlotFigure>
  );
}

/** What is marked by the mouse of an axis. */
interface IMarking {
  axis: IAxis;
  /** Where it began, in CSS pixels from the top. */
  from: number;
}

function isDrag({ from }: IMarking, to: number): boolean {
  return Math.abs(to - from) >= LEAST_BRUSH;
}

/** What the mouse does: it means lines, opens them, and marks parts of axes. */
function useMouse(
  props: IFigureProps,
  pointing: IPointing,
  size: ISize
): React.HTMLAttributes<HTMLElement> {
  const { axes, passing, runs, brushes, setBrushes } = props;
  const marking = React.useRef<IMarking | null>(null);
  const mark = (held: IMarking, to: number): void => {
    const { axis, from } = held;
    const next = new Map(brushes);
    const ends = [from, to].map(top => numberAt(axis, placeAt(top, size)));
    if (isDrag(held, to)) {
      next.set(axis.column.id, [Math.min(...ends), Math.max(...ends)]);
    } else {
      next.delete(axis.column.id);
    }
    setBrushes(next);
  };
  return {
    onPointerDown: event => {
      const [left, top] = placeIn(event);
      const at = nearestAxis(left, axes.length, size, AXIS_REACH);
      marking.current = at === null ? null : { axis: axes[at]!, from: top };
      if (at !== null) {
        event.currentTarget.setPointerCapture(event.pointerId);
      }
    },
    onPointerMove: event => {
      const [left, top] = placeIn(event);
      if (marking.current && event.buttons !== 0) {
        mark(marking.current, top);
      } else {
        pointing.point(nearestLine(passing, left, top, size, LINE_REACH));
      }
    },
    onPointerLeave: () => pointing.point(null),
    onClick: event => {
      const [left, top] = placeIn(event);
      const at = nearestLine(passing, left, top, size, LINE_REACH);
      const held = marking.current;
      // A press on an axis that nothing is marked of means the line there.
      if (held && (isDrag(held, top) || brushes.has(held.axis.column.id))) {
        mark(held, top);
      } else if (at !== null) {
        props.onOpen(runs[at]!);
      }
    }
  };
}

function placeIn(event: React.MouseEvent): [left: number, top: number] {
  const { left, top } = event.currentTarget.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}
