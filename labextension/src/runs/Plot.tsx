/** Lines that Vega draws, and the list of them beside it: either shows which is which. */

import { MimeModel, type IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import React from 'react';

import { useRunicorn } from '../ui/shared.js';
import { chartOf, styleOf, VEGA_LITE, type ISeries } from './chart.js';

/** The height of the chart with its axes, in CSS pixels. */
const HEIGHT = 290;
/** How far from a line the mouse still means it, in CSS pixels. */
const REACH = 6;
/** How long the width has to stay the same before the chart is drawn anew, in milliseconds. */
const SETTLED = 100;
const LINES = '.mark-line path';

/** One metric of several runs. */
export function Plot(props: {
  metric: string;
  series: readonly ISeries[];
  rendermime: IRenderMimeRegistry;
  onError: (reason: unknown) => void;
}): JSX.Element {
  const { series } = props;
  const [raised, setRaised] = React.useState<string | null>(null);
  return (
    <div className="rj-Runs-plot">
      <Lines {...props} raised={raised} onRaise={setRaised} />
      <Legend names={series.map(item => item.name)} raised={raised} onRaise={setRaised} />
    </div>
  );
}

function Lines(props: {
  metric: string;
  series: readonly ISeries[];
  rendermime: IRenderMimeRegistry;
  onError: (reason: unknown) => void;
  raised: string | null;
  onRaise: (name: string | null) => void;
}): JSX.Element {
  const { metric, series, rendermime, onError, raised, onRaise } = props;
  const { trans } = useRunicorn();
  const ref = React.useRef<HTMLDivElement>(null);
  const width = useWidth(ref);
  const [drawn, draw] = React.useReducer((count: number) => count + 1, 0);

  // Before React takes the node out: Lumino detaches a widget only from a node that is in the page.
  React.useLayoutEffect(() => {
    if (width === 0) {
      return;
    }
    const renderer = rendermime.createRenderer(VEGA_LITE);
    Widget.attach(renderer, ref.current!);
    const chart = chartOf(metric, series, { step: trans.__('Step') }, width, HEIGHT);
    const model = new MimeModel({
      data: { [VEGA_LITE]: chart },
      metadata: { [VEGA_LITE]: { embed_options: { actions: false, renderer: 'svg' } } }
    });
    renderer.renderModel(model).then(draw, (reason: unknown) => {
      if (!renderer.isDisposed) {
        onError(reason);
      }
    });
    return () => renderer.dispose();
  }, [metric, series, rendermime, trans, onError, width]);

  React.useEffect(() => {
    for (const line of ref.current!.querySelectorAll(LINES)) {
      const isRaised = line.getAttribute('aria-label') === raised;
      line.classList.toggle('rj-mod-raised', isRaised);
      line.classList.toggle('rj-mod-faded', raised !== null && !isRaised);
    }
  }, [raised, drawn]);

  return (
    <div
      ref={ref}
      className="rj-Runs-chart"
      style={{ height: `${HEIGHT}px` }}
      onPointerMove={event => onRaise(lineAt(event.clientX, event.clientY))}
      onPointerLeave={() => onRaise(null)}
    />
  );
}

function Legend(props: {
  names: readonly string[];
  raised: string | null;
  onRaise: (name: string | null) => void;
}): JSX.Element {
  const { names, raised, onRaise } = props;
  const { trans } = useRunicorn();
  const ref = React.useRef<HTMLUListElement>(null);

  React.useEffect(() => {
    const list = ref.current!;
    const item = list.children[names.indexOf(raised ?? '')];
    if (item instanceof HTMLElement && !list.matches(':hover')) {
      const below = item.offsetTop + item.offsetHeight - list.clientHeight;
      list.scrollTop = Math.max(below, Math.min(list.scrollTop, item.offsetTop));
    }
  }, [names, raised]);

  return (
    <ul ref={ref} className="rj-Runs-legend" aria-label={trans.__('Compared runs')}>
      {names.map((name, index) => (
        <li key={name} data-raised={name === raised || undefined}>
          <button
            type="button"
            title={name}
            onPointerEnter={() => onRaise(name)}
            onPointerLeave={() => onRaise(null)}
            onFocus={() => onRaise(name)}
            onBlur={() => onRaise(null)}
          >
            <Sample index={index} />
            <span className="rj-Ellipsis">{name}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

/** A piece of a line. */
function Sample(props: { index: number }): JSX.Element {
  const { color, dash } = styleOf(props.index);
  return (
    <svg width="28" height="8" aria-hidden>
      <line
        x1="0"
        y1="4"
        x2="28"
        y2="4"
        {...{ stroke: color, strokeWidth: 2 }}
        strokeDasharray={dash.join(' ')}
      />
    </svg>
  );
}

/** The width of a node in CSS pixels, once it has settled; 0 as long as nothing is known of it. */
function useWidth(ref: React.RefObject<HTMLElement>): number {
  const [width, setWidth] = React.useState(0);
  React.useLayoutEffect(() => {
    let timer = 0;
    setWidth(ref.current!.clientWidth);
    const observer = new ResizeObserver(([entry]) => {
      window.clearTimeout(timer);
      timer = window.setTimeout(() => setWidth(Math.floor(entry!.contentRect.width)), SETTLED);
    });
    observer.observe(ref.current!);
    return () => {
      window.clearTimeout(timer);
      observer.disconnect();
    };
  }, [ref]);
  return width;
}

/** The name of the line at a place of the window, or null: the nearest of those within reach. */
function lineAt(x: number, y: number): string | null {
  for (const distance of [0, REACH / 2, REACH]) {
    for (let turn = 0; turn < (distance ? 8 : 1); turn++) {
      const angle = (turn * Math.PI) / 4;
      const node = document.elementFromPoint(
        x + distance * Math.cos(angle),
        y + distance * Math.sin(angle)
      );
      const line = node?.closest(LINES);
      if (line) {
        return line.getAttribute('aria-label');
      }
    }
  }
  return null;
}
