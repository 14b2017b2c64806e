/** What the plots have in common: their size, the keyboard, and words for the run that is meant. */

import React from 'react';

import type { Run } from '../../api/client.js';
import { keyOfRun } from '../../state/runs.js';
import { useRunicorn } from '../../ui/shared.js';
import { nameOf, serverOf } from '../table.js';
import { textAt, type IAxis } from './axes.js';
import { steppedTo } from './stepping.js';

/** How high plots are, in CSS pixels. */
export const PLOT_HEIGHT = 320;

/** The run that the mouse or the keyboard is at; it stays the same while others come and go. */
export interface IPointing {
  /** Its index among those that are drawn; null: none. */
  at: number | null;
  point: (at: number | null) => void;
}

/** Keep which of the drawn runs is meant. */
export function usePointing(runs: readonly Run[]): IPointing {
  const [key, setKey] = React.useState<string | null>(null);
  const at = React.useMemo(() => {
    const found = key === null ? -1 : runs.findIndex(run => keyOfRun(run) === key);
    return found < 0 ? null : found;
  }, [runs, key]);
  const point = React.useCallback(
    (next: number | null) => {
      const run = next === null ? undefined : runs[next];
      setKey(run ? keyOfRun(run) : null);
    },
    [runs]
  );
  return { at, point };
}

/** Return the width of a node in CSS pixels; 0 as long as it is not known. */
export function useWidth(ref: React.RefObject<HTMLElement>): number {
  const [width, setWidth] = React.useState(0);
  React.useLayoutEffect(() => {
    const node = ref.current!;
    const measure = (): void => {
      // A hidden tab has none; what is drawn stays.
      if (node.clientWidth > 0) {
        setWidth(node.clientWidth);
      }
    };
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    measure();
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

/** What a plot is, and what it tells of. */
export interface IPlotFigureProps {
  label: string;
  /** Where it is drawn. */
  canvas: React.RefObject<HTMLDivElement>;
  /** The runs that are drawn, in the order in which keys go through them. */
  runs: readonly Run[];
  pointing: IPointing;
  /** The axes whose values are said of a run, with their names. */
  said: ReadonlyArray<readonly [name: string, axis: IAxis]>;
  onOpen: (run: Run) => void;
  children?: React.ReactNode;
}

/** A plot, with words for the run that is meant. */
export function PlotFigure(props: IPlotFigureProps): JSX.Element {
  const { runs, pointing } = props;
  const { trans } = useRunicorn();
  const id = React.useId();
  const run = pointing.at === null ? undefined : runs[pointing.at];
  const words = run
    ? [
        nameOf(run)[0],
        serverOf(run),
        ...props.said.map(([name, axis]) => `${name} ${textAt(axis, axis.at(run))}`)
      ].join(' · ')
    : trans.__(
        'Point at a run, or go through them with the arrows; a press or Enter opens its page.'
      );
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const next = steppedTo(event.key, pointing.at, runs.length);
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (next !== undefined) {
      pointing.point(next);
    } else if (event.key === 'Enter' && run) {
      props.onOpen(run);
    } else if (event.key === 'Escape' && run) {
      pointing.point(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <figure className="rj-Plot-figure">
      <div
        ref={props.canvas}
        className="rj-Plot-canvas"
        style={{ height: `${PLOT_HEIGHT}px` }}
        tabIndex={0}
        role="group"
        aria-label={props.label}
        aria-describedby={id}
        data-drawn={runs.length}
        onKeyDown={onKeyDown}
      >
        {props.children}
      </div>
      <output id={id} className="rj-Curves-words rj-Quiet" title={run ? words : undefined}>
        {words}
      </output>
    </figure>
  );
}
