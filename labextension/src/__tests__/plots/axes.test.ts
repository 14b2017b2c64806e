import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ParamValue } from '../../api/client.js';
import {
  axisOf,
  numberAt,
  placeOf,
  rangeOf,
  shortened,
  textAt,
  type IAxis
} from '../../runs/plots/axes.js';
import { columnOf } from '../../runs/columns.js';
import { run } from '../support/runs.js';

const runsOf = (values: readonly ParamValue[]): Array<ReturnType<typeof run>> =>
  values.map((p, at) => run(`r${at}`, { params: { p } }));
const axis = (...values: ParamValue[]): IAxis => axisOf(columnOf('param.p', '')!, runsOf(values))!;
const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test('numbers that span more than a hundred times are drawn by their logarithms', () => {
  assert.ok(!axis(1, 100).isLog);
  assert.ok(axis(0.001, 0.2).isLog);
  assert.ok(!axis(0, 1000).isLog);
  assert.ok(!axis(-1000, -1).isLog);
  close(placeOf(axis(1, 10_000), 100), 0.5);
  close(placeOf(axis(-1, 3), 0), 0.25);
  assert.equal(placeOf(axis(7, 7), 7), 0.5);
});

test('a place and its number lead to each other', () => {
  for (const one of [axis(1, 10_000), axis(-1, 3)]) {
    close(placeOf(one, numberAt(one, 0.3)), 0.3);
  }
  const [from, to] = rangeOf(axis(1, 10_000));
  assert.ok(from > 0 && from < 1 && to > 10_000);
  assert.deepEqual(rangeOf(axis(10)), [9, 11]);
  assert.deepEqual(rangeOf(axis(0)), [-0.5, 0.5]);
});

test('words are categories, and so is all of a parameter that has some', () => {
  const one = axis('sgd', 'adam', true, 0.30000000000000004, 10, 'sgd', null);
  assert.deepEqual(one.words, ['0.3', 'true', '10', 'adam', 'sgd']);
  const [sgd, , , , ten, , none] = runsOf(['sgd', 'adam', true, 0.3, 10, 'sgd', null]);
  assert.equal(one.at(sgd!), 4);
  assert.equal(one.at(ten!), 2);
  assert.equal(one.at(none!), null);
  assert.equal(textAt(one, 3), 'adam');
  assert.deepEqual(rangeOf(one), [-0.5, 4.5]);
});

test('what is no finite number has no place, and where nothing has one there is no axis', () => {
  const one = axis(1, 'Infinity', 'NaN', 3);
  assert.deepEqual([one.words, one.least, one.greatest], [null, 1, 3]);
  assert.equal(one.at(run('x', { params: { p: 'Infinity' } })), null);
  assert.equal(one.at(run('x')), null);
  assert.equal(axisOf(columnOf('param.p', '')!, runsOf(['NaN', null])), null);
});

test('a text that is too long is cut, between characters', () => {
  assert.equal(shortened('adam', 4), 'adam');
  assert.equal(shortened('adamw', 4), 'ada…');
  assert.equal(shortened('🙂🙂🙂', 2), '🙂…');
});

test('the texts of an axis are those of its column', () => {
  assert.equal(textAt(axis(0.1, 0.123456789), 0.123456789), '0.12346');
  assert.equal(textAt(axis(1), null), '');
  assert.equal(textAt(axisOf(columnOf('duration', '')!, [run('a')])!, 60), '0:01:00');
  const best = { metric: 'acc', value: 0.5, step: 1, mode: 'max' as const };
  assert.equal(axisOf(columnOf('best.acc', '')!, [run('a', { best }), run('b')])!.least, 0.5);
  assert.equal(axisOf(columnOf('best.loss', '')!, [run('a', { best })]), null);
});
