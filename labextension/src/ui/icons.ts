/** Our icons, in the colours of Lab's theme. */

import { LabIcon } from '@jupyterlab/ui-components';

// `fill` stands on the root only: Lab's stylesheet gives a colour to every icon class that has one.
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24" fill="none">
  <g class="jp-icon3 jp-icon-selectable" stroke="#616161" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
    <path d="M4 4v13.500a2.500 2.500 0 0 0 2.500 2.500H20"/>
    <path d="M8 15.500C9.200 10 11 7.500 13 8.200s2.300 3.300 3.900 2.200S18.800 6.500 20 4"/>
  </g>
</svg>`;

/** A curve in a chart. */
export const runicornIcon = new LabIcon({ name: 'runicorn-jupyter:runicorn', svgstr: SVG });

const MACHINES_SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24" fill="none">
  <g class="jp-icon3" stroke="#616161" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
    <rect x="6" y="6" width="12" height="12" rx="1.500"/>
    <path d="M10 10h4v4h-4zM9 6V3M15 6V3M9 21v-3M15 21v-3M6 9H3M6 15H3M21 9h-3M21 15h-3"/>
  </g>
</svg>`;

/** A processor. */
export const machinesIcon = new LabIcon({
  name: 'runicorn-jupyter:machines',
  svgstr: MACHINES_SVG
});
