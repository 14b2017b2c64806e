/** One metric's lines, with what of them the cursor or the keyboard is at. */

import React from 'react';

import { formatNumber } from '../ui/numbers.js';
import { useCurvesHost } from './host.js';
import type { Axis } from './curve.js';
import { CurvePlot, type IDrawnLine, type Zoom } from './plot.js';

/** The least height of a chart with its axes, in CSS pixels: 200 are left of it for the lines. */
const HEIGHT = 290;

/** What a chart shows, and what it tells of. */
export interface IChartProps {
  metric: string;
  lines: readonly IDrawnLine[];
  axis: Axis;
  isLog: boolean;
  sync: string;
  zoom: Zoom;
  raised: string | null;
  formatX: (value: number) => string;
  onZoom: (zoom: Zoom) => void;
  onRaise: (name: string | null) => void;
}

/** The chart. */
export function Chart(props: IChartProps): JSX.Element {
  const { metric, lines, raised } = props;
  const { trans } = useCurvesHost();
  const id = React.useId();
  const [at, setAt] = React.useState<number | null>(null);
  const { ref, plot } = usePlot(props, setAt);
  const words = useWords(props, plot, at);
  const count = trans._n('%2: %1 line', '%2: %1 lines', lines.length, metric);
  return (
    <figure className="rj-Curves-figure">
      <div
        ref={ref}
        className="rj-Curves-chart"
        style={{ height: `${HEIGHT}px` }}
        tabIndex={0}
        role="group"
        aria-label={count}
        aria-describedby={id}
        data-lines={lines.filter(line => !line.isHidden).length}
        data-raised={raised ?? undefined}
        onPointerLeave={() => props.onRaise(null)}
        onKeyDown={event => onKey(event, props, plot.current, at)}
      />
      <output id={id} className="rj-Curves-words rj-Quiet">
        {words}
      </output>
    </figure>
  );
}

function usePlot(
  props: IChartProps,
  setAt: (at: number | null) => void
): { ref: React.RefObject<HTMLDivElement>; plot: React.MutableRefObject<CurvePlot | null> } {
  const { lines, axis, isLog, sync, zoom, raised } = props;
  const { repainted } = useCurvesHost();
  const ref = React.useRef<HTMLDivElement>(null);
  const plot = React.useRef<CurvePlot | null>(null);
  const latest = React.useRef(props);
  latest.current = props;
  // A plot's lines grow; others need another plot.
  const names = lines.map(line => line.name).join('\n');

  React.useLayoutEffect(() => {
    const node = ref.current!;
    const made = new CurvePlot(
      node,
      {
        axis,
        isLog,
        sync,
        lines: latest.current.lines,
        formatX: value => latest.current.formatX(value),
        onZoom: value => latest.current.onZoom(value),
        onRaise: name => latest.current.onRaise(name),
        onCursor: setAt
      },
      { width: Math.max(node.clientWidth, 100), height: HEIGHT }
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (node.clientWidth > 0) {
        made.resize({ width: node.clientWidth, height: HEIGHT });
      }
    });
    observer.observe(node);
    const repaint = (): void => made.repaint();
    repainted.connect(repaint);
    return () => {
      plot.current = null;
      observer.disconnect();
      repainted.disconnect(repaint);
      made.dispose();
    };
  }, [names, axis, isLog, sync, repainted, setAt]);
  React.useLayoutEffect(() => plot.current?.grow(lines), [lines]);
  React.useLayoutEffect(() => plot.current?.zoom(zoom), [zoom, names, axis, isLog]);
  React.useLayoutEffect(() => plot.current?.raise(raised), [raised, names, axis, isLog]);
  return { ref, plot };
}

/** What is at the cursor: the raised line's value, or that of each of a few. */
function useWords(
  props: IChartProps,
  plot: React.MutableRefObject<CurvePlot | null>,
  at: number | null
): string {
  const { trans } = useCurvesHost();
  const data = plot.current?.data;
  const x = at === null ? undefined : data?.[0][at];
  if (!data || at === null || x === undefined) {
    return trans.__('Drag to zoom; arrows, + and − work too.');
  }
  const values = props.lines.flatMap((line, index) => {
    const value = data[index + 1]?.[at];
    const isMeant = props.raised === null ? props.lines.length <= 4 : line.name === props.raised;
    return isMeant && !line.isHidden && typeof value === 'number'
      ? [`${line.name}: ${formatNumber(value)}`]
      : [];
  });
  return [props.formatX(x), ...values].join(' · ');
}

/** Move the cursor, and what part is in sight, by keys. */
function onKey(
  event: React.KeyboardEvent,
  props: IChartProps,
  plot: CurvePlot | null,
  at: number | null
): void {
  const places = plot?.data[0];
  if (!plot || !places?.length || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const last = places.length - 1;
  const [from, to] = props.zoom ?? [places[0]!, places[last]!];
  const middle = places[at ?? last]!;
  const around = (factor: number): Zoom => [
    middle - (middle - from) * factor,
    middle + (to - middle) * factor
  ];
  switch (event.key) {
    case 'ArrowLeft':
      plot.point(Math.max(0, (at ?? last + 1) - 1));
      break;
    case 'ArrowRight':
      plot.point(Math.min(last, (at ?? -1) + 1));
      break;
    case '+':
    case '=':
      props.onZoom(around(0.5));
      break;
    case '-':
      props.onZoom(around(2));
      break;
    case '0':
    case 'Escape':
      props.onZoom(null);
      break;
    default:
      return;
  }
  event.preventDefault();
  event.stopPropagation();
}
