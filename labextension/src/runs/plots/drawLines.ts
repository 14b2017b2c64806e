/** Draws runs as lines over parallel axes, on a canvas. */

import { cornersOf, type IRunLine, type ISize } from './parallel.js';

/** Beyond so many lines they let each other shine through. */
const MANY = 100;

/** Draw lines; those that do not pass lie below the others, and are pale. */
export function drawLines(
  canvas: HTMLCanvasElement,
  lines: readonly IRunLine[],
  size: ISize
): void {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(size.width * ratio);
  canvas.height = Math.round(size.height * ratio);
  const context = canvas.getContext('2d')!;
  context.scale(ratio, ratio);
  context.lineWidth = 1.5;
  context.lineJoin = 'round';
  const passing = lines.filter(line => line.isPassing);
  const draw = (line: IRunLine, color: string): void => {
    context.strokeStyle = color;
    context.stroke(pathOf(line, size));
  };
  context.globalAlpha = 0.15;
  lines.filter(line => !line.isPassing).forEach(line => draw(line, 'gray'));
  context.globalAlpha = passing.length > MANY ? 0.4 : 1;
  passing.forEach(line => draw(line, line.color));
}

function pathOf(line: IRunLine, size: ISize): Path2D {
  const path = new Path2D();
  for (const piece of cornersOf(line, size)) {
    piece.forEach(([left, top], at) =>
      at === 0 ? path.moveTo(left, top) : path.lineTo(left, top)
    );
  }
  return path;
}
