/** The page's theme, for what is drawn on a canvas. */

import type uPlot from 'uplot';

/** Return a colour of the theme, by its variable's name. */
export function themeColor(node: HTMLElement, name: string): string {
  return getComputedStyle(node).getPropertyValue(name).trim() || 'gray';
}

/** Return how uPlot draws an axis in a node; the colours are asked for anew at each drawing. */
export function axisStyle(node: HTMLElement): uPlot.Axis {
  const line = { stroke: () => themeColor(node, '--jp-border-color2'), width: 1 };
  return {
    stroke: () => themeColor(node, '--jp-ui-font-color1'),
    grid: line,
    ticks: line,
    font: `11px ${getComputedStyle(node).fontFamily}`
  };
}
