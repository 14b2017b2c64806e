import assert from 'node:assert/strict';
import { test } from 'node:test';

import { columnOf } from '../../runs/columns.js';
import { axisOf } from '../../runs/plots/axes.js';
import {
  cornersOf,
  leftOf,
  linesOf,
  MARGINS,
  MOST_DRAWN,
  nearestAxis,
  nearestLine,
  placeAt,
  topOf,
  type Brushes,
  type IRunLine
} from '../../runs/plots/parallel.js';
import { run } from '../support/runs.js';

const SIZE = { width: 2 * MARGINS.side + 200, height: MARGINS.top + MARGINS.bottom + 100 };
const RUNS = [
  run('a', { params: { lr: 1, opt: 'adam' }, metrics: { loss: 1 } }),
  run('b', { params: { lr: 3, opt: 'sgd' }, metrics: { loss: 3 } }),
  run('c', { params: { lr: 2 }, metrics: { loss: 2 } }),
  run('d', { metrics: { loss: 1.5 } })
];
const AXES = ['param.lr', 'param.opt', 'metric.loss'].map(id => axisOf(columnOf(id, '')!, RUNS)!);
const linesWith = (brushes: Brushes = new Map()): readonly IRunLine[] =>
  linesOf(RUNS, AXES, () => 'red', brushes).lines;

test('runs with two values are lines, the greatest at the last axis first', () => {
  const lines = linesWith();
  assert.equal(lines.map(line => line.run.run_id).join(''), 'bca');
  assert.deepEqual(lines[0]!.places, [1, 1, 1]);
  assert.equal(lines[1]!.places[1], null);
});

test('a brush lets pass what lies in it, and nothing that has no value', () => {
  const passing = (brushes: Brushes): string =>
    linesWith(brushes)
      .filter(line => line.isPassing)
      .map(line => line.run.run_id)
      .join('');
  assert.equal(passing(new Map([['param.lr', [1.5, 3]]])), 'bc');
  assert.equal(passing(new Map([['param.opt', [0, 1]]])), 'ba');
  const both: Brushes = new Map([
    ['param.lr', [1.5, 3] as const],
    ['metric.loss', [0, 2] as const]
  ]);
  assert.equal(passing(both), 'c');
});

test('of too many the newest are drawn, and all are counted', () => {
  const many = Array.from({ length: MOST_DRAWN + 1 }, (_, at) => run(`r${at}`, { step: at }));
  const axes = ['step', 'duration'].map(id => axisOf(columnOf(id, '')!, many)!);
  const { lines, count } = linesOf(many, axes, () => 'red', new Map());
  assert.equal(lines.length, MOST_DRAWN);
  assert.equal(count, MOST_DRAWN + 1);
  assert.ok(!lines.some(line => line.run === many.at(-1)));
});

test('axes stand side by side, and the greatest is at their top', () => {
  const { side, top } = MARGINS;
  assert.deepEqual(
    [0, 1, 2].map(at => leftOf(at, 3, SIZE)),
    [side, side + 100, side + 200]
  );
  assert.equal(leftOf(0, 1, SIZE), side + 100);
  assert.equal(topOf(1, SIZE), top);
  assert.equal(topOf(0, SIZE), top + 100);
  assert.equal(placeAt(top + 25, SIZE), 0.75);
  assert.equal(placeAt(-999, SIZE), 1);
  assert.equal(nearestAxis(side + 90, 3, SIZE, 14), 1);
  assert.equal(nearestAxis(side + 50, 3, SIZE, 14), null);
  assert.equal(nearestAxis(0, 0, SIZE, 14), null);
});

test('the line under the mouse is meant, between its axes only', () => {
  const { side, top } = MARGINS;
  const lines = linesWith();
  // a goes along the foot, b along the top; c has no second value.
  assert.equal(nearestLine(lines, side + 50, top + 98, SIZE, 8), 2);
  assert.equal(nearestLine(lines, side + 50, top + 2, SIZE, 8), 0);
  assert.equal(nearestLine(lines, side + 50, top + 50, SIZE, 8), null);
  assert.equal(nearestLine(lines, side + 200, top, SIZE, 8), 0);
  assert.equal(nearestLine(lines, side - 20, top, SIZE, 8), null);
  assert.equal(nearestLine([], side, top, SIZE, 8), null);
});

test('a value that is missing parts a line', () => {
  const { side, top } = MARGINS;
  assert.deepEqual(cornersOf(linesWith()[1]!, SIZE), [
    [[side, top + 50]],
    [[side + 200, top + 50]]
  ]);
});
