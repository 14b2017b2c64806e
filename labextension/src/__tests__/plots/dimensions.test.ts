import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dimensionsOf, firstChoice } from '../../runs/plots/dimensions.js';
import { run } from '../support/runs.js';

const RUNS = [
  run('a', { params: { batch: 64, lr: 0.1, opt: 'adam' }, summary: { top: 1 } }),
  run('b', {
    params: { batch: 64, lr: 0.01, opt: 'sgd' },
    best: { metric: 'loss', value: 0.1, step: 1, mode: 'min' }
  })
];

test('all that runs have by name, and what is known of every run', () => {
  const { param, metric, summary, fact } = dimensionsOf(RUNS);
  assert.deepEqual(param, ['param.batch', 'param.lr', 'param.opt']);
  assert.deepEqual(metric, ['metric.loss', 'best.loss']);
  assert.deepEqual(summary, ['summary.top']);
  assert.ok(fact.includes('server'));
});

test('a parameter that differs comes first, a number before a word', () => {
  const params = ['param.batch', 'param.opt', 'param.lr'];
  assert.deepEqual(firstChoice(RUNS, params, 'loss'), {
    x: 'param.lr',
    y: 'metric.loss',
    color: 'server',
    axes: ['param.opt', 'param.lr']
  });
  assert.equal(firstChoice(RUNS, ['param.opt'], 'loss').x, 'param.opt');
  assert.equal(firstChoice(RUNS, ['param.batch'], 'loss').x, 'param.batch');
  const bare = firstChoice([], [], '');
  assert.deepEqual([bare.x, bare.y, bare.axes], ['duration', 'step', []]);
});
