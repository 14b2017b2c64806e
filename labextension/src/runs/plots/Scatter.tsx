/** Runs as points: one value against another. */

import React from 'react';

import type { Run } from '../../api/client.js';
import { useRunicorn } from '../../ui/shared.js';
import type { IColumn } from '../columns.js';
import { axisOf } from './axes.js';
import { coloringOf } from './coloring.js';
import { PLOT_HEIGHT, PlotFigure, usePointing, useWidth } from './PlotFigure.js';
import { PlotLegend } from './PlotLegend.js';
import { PlotNotes } from './PlotNotes.js';
import { columnsOf, PlotTable } from './PlotTable.js';
import { MOST_POINTS, pointsOf } from './points.js';
import { ScatterPlot, type IScatter } from './ScatterPlot.js';

/** The plot, what its colours mean, and all of it as text. */
export function Scatter(props: {
  runs: readonly Run[];
  x: IColumn;
  y: IColumn;
  color: IColumn;
  onOpen: (run: Run) => void;
}): JSX.Element {
  const { runs, x, y, color, onOpen } = props;
  const { trans } = useRunicorn();
  const coloring = React.useMemo(() => coloringOf(color, runs), [color, runs]);
  const found = React.useMemo(() => {
    const [atX, atY] = [axisOf(x, runs), axisOf(y, runs)];
    const { points, count } =
      atX && atY ? pointsOf(runs, atX, atY, coloring.colorOf) : { points: [], count: 0 };
    const names = { x: x.label(trans), y: y.label(trans) };
    const scatter: IScatter | null = count === 0 ? null : { points, x: atX!, y: atY!, names };
    return { scatter, count, drawn: points.map(point => point.run) };
  }, [runs, x, y, coloring, trans]);
  const { scatter, count, drawn } = found;
  return (
    <>
      <PlotNotes total={runs.length} count={count} most={MOST_POINTS} />
      {scatter && (
        <>
          <Figure {...{ scatter, onOpen }} runs={drawn} />
          <PlotLegend label={color.label(trans)} coloring={coloring} />
          <PlotTable runs={drawn} columns={columnsOf([x, y, color])} onOpen={onOpen} />
        </>
      )}
    </>
  );
}

function Figure(props: {
  scatter: IScatter;
  runs: readonly Run[];
  onOpen: (run: Run) => void;
}): JSX.Element {
  const { scatter, runs } = props;
  const { x, y, names } = scatter;
  const { trans } = useRunicorn();
  const canvas = React.useRef<HTMLDivElement>(null);
  const pointing = usePointing(runs);
  const onPress = (at: number): void => props.onOpen(runs[at]!);
  usePlot(canvas, scatter, pointing.at, { onPoint: pointing.point, onPress });
  return (
    <PlotFigure
      {...{ canvas, runs, pointing }}
      label={trans.__('%1 against %2', names.y, names.x)}
      said={[
        [names.x, x],
        [names.y, y]
      ]}
      onOpen={props.onOpen}
    />
  );
}

interface IHandlers {
  onPoint: (at: number | null) => void;
  onPress: (at: number) => void;
}

function usePlot(
  canvas: React.RefObject<HTMLDivElement>,
  scatter: IScatter,
  at: number | null,
  handlers: IHandlers
): void {
  const { colorScheme } = useRunicorn();
  const plot = React.useRef<ScatterPlot | null>(null);
  const latest = React.useRef({ scatter, handlers });
  latest.current = { scatter, handlers };
  const width = useWidth(canvas);
  const isMeasured = width > 0;
  const { x, y } = scatter;
  // Other points can be shown by the same plot; other axes need another one.
  const kind = [x, y].map(axis => [axis.column.id, axis.isLog, !axis.words].join(' ')).join('\n');

  React.useLayoutEffect(() => {
    const node = canvas.current!;
    if (!isMeasured) {
      return;
    }
    const made = new ScatterPlot(
      node,
      latest.current.scatter,
      { width: node.clientWidth, height: PLOT_HEIGHT },
      next => latest.current.handlers.onPoint(next),
      next => latest.current.handlers.onPress(next)
    );
    plot.current = made;
    const repaint = (): void => made.repaint();
    colorScheme.changed.connect(repaint);
    return () => {
      plot.current = null;
      colorScheme.changed.disconnect(repaint);
      made.dispose();
    };
  }, [canvas, kind, isMeasured, colorScheme]);
  React.useLayoutEffect(() => plot.current?.show(scatter), [scatter]);
  React.useLayoutEffect(() => plot.current?.resize({ width, height: PLOT_HEIGHT }), [width]);
  React.useLayoutEffect(() => plot.current?.mark(at), [at, kind, isMeasured]);
}
