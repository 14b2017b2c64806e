import assert from 'node:assert/strict';
import { test } from 'node:test';

import { columnOf } from '../../runs/columns.js';
import { axisOf, type IAxis } from '../../runs/plots/axes.js';
import { MOST_POINTS, nearestPlace, pointsOf } from '../../runs/plots/points.js';
import { run } from '../support/runs.js';

test('runs with both values are points, from the left to the right', () => {
  const runs = [
    run('a', { params: { lr: 0.1 } }),
    run('b', { params: { lr: 0.01 }, metrics: { loss: 0.9 } }),
    run('c', { params: { lr: 0.01 }, metrics: { loss: 0.2 } }),
    run('d'),
    run('e', { params: { lr: 1 }, metrics: { loss: 'NaN' } })
  ];
  const axis = (id: string): IAxis => axisOf(columnOf(id, '')!, runs)!;
  const { points, count } = pointsOf(
    runs,
    axis('param.lr'),
    axis('metric.loss'),
    each => each.run_id
  );
  assert.equal(points.map(point => point.run.run_id).join(''), 'cba');
  assert.equal(count, 3);
  assert.deepEqual([points[0]!.x, points[0]!.y, points[0]!.color], [0.01, 0.2, 'c']);
});

test('of too many the newest are drawn, and all are counted', () => {
  const runs = Array.from({ length: MOST_POINTS + 5 }, (_, at) => run(`r${at}`, { step: -at }));
  const step = axisOf(columnOf('step', '')!, runs)!;
  const { points, count } = pointsOf(runs, step, step, () => 'red');
  assert.equal(points.length, MOST_POINTS);
  assert.equal(count, MOST_POINTS + 5);
  assert.equal(points.at(-1)!.run, runs[0]);
});

test('the nearest place is meant, if it is within reach', () => {
  const places = [10, 10, 20, 20, 22, 20];
  assert.equal(nearestPlace(places, 21.5, 20, 8), 2);
  assert.equal(nearestPlace(places, 9, 11, 8), 0);
  assert.equal(nearestPlace(places, 50, 50, 8), null);
  assert.equal(nearestPlace([], 0, 0, 8), null);
});
