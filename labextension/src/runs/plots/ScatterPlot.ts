/** Draws runs as points on a canvas; uPlot has the axes. */

import uPlot from 'uplot';

import { axisStyle } from '../../curves/theme.js';
import { rangeOf, shortened, textAt, type IAxis } from './axes.js';
import { nearestPlace, type IPoint } from './points.js';

/** What is drawn. */
export interface IScatter {
  /** From the left to the right. */
  points: readonly IPoint[];
  x: IAxis;
  y: IAxis;
  /** What the axes are called. */
  names: { x: string; y: string };
}

/** How far from a point the mouse still means it, in CSS pixels. */
const REACH = 16;
/** In CSS pixels. */
const RADIUS = 4;
/** Beyond so many points they let each other shine through. */
const MANY = 500;
/** How many characters of a word, and of a name, an axis has room for. */
const [LONGEST_WORD, LONGEST_NAME] = [14, 60];

/** One scatter plot; other columns, or another kind of axis, need another one. */
export class ScatterPlot {
  /**
   * @param onPoint - Called with the index of the point that the mouse is at, or null.
   * @param onPress - Called with the index of a point that is pressed.
   */
  constructor(
    private readonly node: HTMLElement,
    private _shown: IScatter,
    size: { width: number; height: number },
    private readonly onPoint: (at: number | null) => void,
    private readonly onPress: (at: number) => void
  ) {
    this._plot = new uPlot(this._settings(size), this._data(), node);
    const { over } = this._plot;
    this._mark.className = 'rj-Plot-mark';
    this._mark.hidden = true;
    over.append(this._mark);
    over.addEventListener('pointermove', event => this.onPoint(this._pointAt(event)));
    over.addEventListener('pointerleave', () => this.onPoint(null));
    over.addEventListener('click', event => {
      const at = this._pointAt(event);
      if (at !== null) {
        this.onPress(at);
      }
    });
  }

  /** Draw others: of the same columns, on axes of the same kind. */
  show(shown: IScatter): void {
    this._shown = shown;
    this._plot.setData(this._data(), true);
  }

  /** Mark a point, by its index; null: none. */
  mark(at: number | null): void {
    this._marked = at;
    this._placeMark();
  }

  /** Take a size, in CSS pixels. */
  resize(size: { width: number; height: number }): void {
    this._plot.setSize(size);
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
    const { points } = this._shown;
    return [points.map(point => point.x), points.map(point => point.y)];
  }

  private _settings(size: { width: number; height: number }): uPlot.Options {
    return {
      ...size,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: this._scale('x'), y: this._scale('y') },
      axes: [
        { ...this._axis('x'), space: this._shown.x.words ? 90 : 70 },
        { ...this._axis('y'), size: this._shown.y.words ? 110 : 72 }
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: { draw: [() => this._drawPoints()] }
    };
  }

  private _scale(name: 'x' | 'y'): uPlot.Scale {
    const range = (): uPlot.Range.MinMax => rangeOf(this._shown[name]);
    return { time: false, distr: this._shown[name].isLog ? 3 : 1, range };
  }

  private _axis(name: 'x' | 'y'): uPlot.Axis {
    const axis = this._shown[name];
    const style = axisStyle(this.node);
    const textOf = (value: number | null): string => textAt(this._shown[name], value);
    return {
      ...style,
      label: shortened(this._shown.names[name], LONGEST_NAME),
      labelFont: style.font!,
      labelSize: 20,
      values: (_, splits) => splits.map(value => shortened(textOf(value), LONGEST_WORD)),
      ...(axis.words && { splits: (...[, , , , step]) => this._places(name, step) })
    };
  }

  /** The numbers of the words that an axis has room for. */
  private _places(name: 'x' | 'y', step: number): number[] {
    const count = this._shown[name].words?.length ?? 0;
    const every = Math.max(1, Math.ceil(step));
    return Array.from({ length: Math.ceil(count / every) }, (_, at) => at * every);
  }

  private _drawPoints(): void {
    const { points } = this._shown;
    const ratio = devicePixelRatio;
    const places = new Float64Array(2 * points.length);
    const byColor = new Map<string, Path2D>();
    const { ctx } = this._plot;
    points.forEach((point, at) => {
      const left = this._plot.valToPos(point.x, 'x');
      const top = this._plot.valToPos(point.y, 'y');
      places.set([left, top], 2 * at);
      let path = byColor.get(point.color);
      if (!path) {
        byColor.set(point.color, (path = new Path2D()));
      }
      const [x, y] = [this._plot.bbox.left + left * ratio, this._plot.bbox.top + top * ratio];
      path.moveTo(x + RADIUS * ratio, y);
      path.arc(x, y, RADIUS * ratio, 0, 2 * Math.PI);
    });
    ctx.save();
    ctx.globalAlpha = points.length > MANY ? 0.75 : 1;
    byColor.forEach((path, color) => {
      ctx.fillStyle = color;
      ctx.fill(path);
    });
    ctx.restore();
    this._spots = places;
    this._placeMark();
  }

  private _placeMark(): void {
    const at = this._marked;
    this._mark.hidden = at === null || 2 * at >= this._spots.length;
    if (at !== null && !this._mark.hidden) {
      this._mark.style.left = `${this._spots[2 * at]}px`;
      this._mark.style.top = `${this._spots[2 * at + 1]}px`;
    }
  }

  private _pointAt(event: MouseEvent): number | null {
    const { left, top } = this._plot.over.getBoundingClientRect();
    return nearestPlace(this._spots, event.clientX - left, event.clientY - top, REACH);
  }

  private _marked: number | null = null;
  /** Left and top of each point, in CSS pixels. */
  private _spots = new Float64Array();
  private readonly _mark = document.createElement('div');
  private readonly _plot: uPlot;
}
