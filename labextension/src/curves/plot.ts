/** Draws the lines of one metric on a canvas, by uPlot; keeps what the person looks at while they grow. */

import uPlot from 'uplot';

import { aligned, spanOf, type Axis, type ILine } from './curve.js';
import type { ILineStyle } from './style.js';
import { axisStyle } from './theme.js';

/** A line with all that is drawn of it. */
export interface IDrawnLine extends ILine, ILineStyle {
  name: string;
  /** Where a value is no finite number. */
  bad: readonly number[];
  isHidden: boolean;
}

/** What part of the horizontal axis is in sight; null: all of it. */
export type Zoom = readonly [from: number, to: number] | null;

/** What a plot is made with; another one needs another plot. */
export interface IPlotOptions {
  axis: Axis;
  isLog: boolean;
  lines: readonly IDrawnLine[];
  /** Plots of one key have one cursor. */
  sync: string;
  /** Write a place on the horizontal axis. */
  formatX: (value: number) => string;
  onZoom: (zoom: Zoom) => void;
  onRaise: (name: string | null) => void;
  onCursor: (index: number | null) => void;
}

/** How far from a line the mouse still means it, in CSS pixels. */
const REACH = 24;
const MARK = 4;
/** More lines are as thin as the screen draws: thicker ones that go up and down take ten times as long. */
const FEW_LINES = 10;
const THICK = 1.6;
/** What uPlot's types leave out: to tell the plots of its key, as it does where the mouse moves. */
type MoveCursor = (at: { left: number; top: number }, isTold: boolean, isShared: boolean) => void;
const TICKS_APART = { step: 60, time: 110, relative: 70 };
const drawLine = uPlot.paths.linear!();

/** One plot. */
export class CurvePlot {
  constructor(
    private readonly node: HTMLElement,
    private readonly options: IPlotOptions,
    size: { width: number; height: number }
  ) {
    this._lines = options.lines;
    this._plot = new uPlot(this._settings(size), this._data(), node);
  }

  /** The places of all points, and each line's values there. */
  get data(): uPlot.AlignedData {
    return this._plot.data;
  }

  /** Draw lines that have grown: as many as before, of the same names. */
  grow(lines: readonly IDrawnLine[]): void {
    if (lines === this._lines) {
      return;
    }
    this._lines = lines;
    this._plot.batch(() => {
      lines.forEach((line, at) => {
        if (this._plot.series[at + 1]!.show === line.isHidden) {
          this._plot.setSeries(at + 1, { show: !line.isHidden });
        }
      });
      this._plot.setData(this._data(), true);
    });
  }

  /** Show a part of the horizontal axis. */
  zoom(zoom: Zoom): void {
    this._zoom = zoom;
    this._plot.setData(this._plot.data, true);
  }

  /** Show one line before the others; null: none. */
  raise(name: string | null): void {
    const at = this._lines.findIndex(line => line.name === name);
    this._plot.setSeries(at < 0 ? null : at + 1, { focus: true }, false);
  }

  /** Put the cursor to a point, by its index, and that of the plots of its key. */
  point(index: number): void {
    const x = this._plot.data[0][index];
    if (x !== undefined) {
      const left = this._plot.valToPos(x, 'x');
      const plot = this._plot as { setCursor: MoveCursor };
      plot.setCursor({ left, top: this._plot.over.clientHeight / 2 }, true, true);
    }
  }

  /** Take a size, in CSS pixels. */
  resize(size: { width: number; height: number }): void {
    const { width, height } = this._plot;
    if (width !== size.width || height !== size.height) {
      this._plot.setSize(size);
    }
  }

  /** Draw again, in the theme's colours. */
  repaint(): void {
    this._plot.redraw(false);
  }

  /** Take it out of the page. */
  dispose(): void {
    this._plot.destroy();
  }

  private _data(): uPlot.AlignedData {
    return aligned(this._lines);
  }

  private _settings(size: { width: number; height: number }): uPlot.Options {
    const { axis, isLog, sync, formatX, onCursor } = this.options;
    const style = axisStyle(this.node);
    return {
      ...size,
      legend: { show: false },
      focus: { alpha: 0.2 },
      scales: {
        x: { time: false, range: (_, min, max) => [...(this._zoom ?? paddedRange(min, max))] },
        y: isLog ? { distr: 3 } : {}
      },
      axes: [
        { ...style, space: TICKS_APART[axis], values: (_, splits) => splits.map(formatX) },
        { ...style, size: 64 }
      ],
      series: [{}, ...this._lines.map(line => this._seriesOf(line))],
      cursor: {
        sync: { key: sync },
        focus: { prox: REACH },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => this._zoomTo(null) }
      },
      hooks: {
        draw: [() => this._drawMarks()],
        setCursor: [plot => onCursor(indexAtCursor(plot))],
        setSelect: [() => this._select()],
        setSeries: [
          (_, at) => this.options.onRaise(at ? (this._lines[at - 1]?.name ?? null) : null)
        ]
      }
    };
  }

  private _select(): null {
    const { left, width } = this._plot.select;
    if (width > 2) {
      const from = this._plot.posToVal(left, 'x');
      this._plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      this._zoomTo([from, this._plot.posToVal(left + width, 'x')]);
    }
    return null;
  }

  private _zoomTo(zoom: Zoom): null {
    this.options.onZoom(zoom);
    return null;
  }

  private _seriesOf(line: IDrawnLine): uPlot.Series {
    const { name: label, color: stroke, dash, isHidden } = line;
    return {
      label,
      stroke,
      width: this._lines.length > FEW_LINES ? 1 / devicePixelRatio : THICK,
      show: !isHidden,
      paths: (plot, at) => this._path(plot, at),
      ...(dash[1] ? { dash: [...dash] } : {})
    };
  }

  /**
   * Draw a line by its own points: of the places of all lines only few are its own.
   *
   * uPlot's function finds them where those of all lines stand otherwise.
   */
  private _path(plot: uPlot, at: number): uPlot.Series.Paths | null {
    const line = this._lines[at - 1]!;
    const { min, max } = plot.scales.x!;
    const data: unknown[] = [line.x];
    data[at] = line.y;
    const own = Object.create(plot, { _data: { value: data } }) as uPlot;
    return drawLine(own, at, ...spanOf(line, min!, max!));
  }

  /** Mark where a line has no finite value, at the foot of the plot. */
  private _drawMarks(): void {
    const { ctx, bbox } = this._plot;
    const size = MARK * devicePixelRatio;
    ctx.save();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const line of this._lines) {
      ctx.strokeStyle = line.color;
      ctx.beginPath();
      for (const x of line.isHidden ? [] : line.bad) {
        const at = this._plot.valToPos(x, 'x', true);
        const foot = bbox.top + bbox.height - size - 1;
        if (at >= bbox.left && at <= bbox.left + bbox.width) {
          ctx.moveTo(at - size, foot - size);
          ctx.lineTo(at + size, foot + size);
          ctx.moveTo(at - size, foot + size);
          ctx.lineTo(at + size, foot - size);
        }
      }
      ctx.stroke();
    }
    ctx.restore();
  }

  private _lines: readonly IDrawnLine[];
  private _zoom: Zoom = null;
  private readonly _plot: uPlot;
}

/** The point that the cursor is at; null: none, or another plot's is at a place that is out of sight here. */
function indexAtCursor({ cursor, over }: uPlot): number | null {
  return cursor.left! <= over.clientWidth ? (cursor.idx ?? null) : null;
}

/** A range that can be drawn where there is one point only, or none. */
function paddedRange(min: number | null, max: number | null): [number, number] {
  const from = min ?? 0;
  const to = max ?? 1;
  return from === to ? [from - 0.5, to + 0.5] : [from, to];
}
