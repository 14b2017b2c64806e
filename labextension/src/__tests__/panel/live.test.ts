import assert from 'node:assert/strict';
import { test } from 'node:test';

import { byConnection, metricOf } from '../../panel/live.js';
import { run } from '../support/runs.js';

test('a card has room for the newest three runs that go on, and says how many more there are', () => {
  const ids = ['e', 'd', 'c', 'b', 'a'];
  const other = run('x', { connection_id: 'conn_2' });
  const found = byConnection([run('f'), other, ...ids.map(id => run(id))]);
  const first = found.get('conn_1');
  assert.deepEqual(
    first?.shown.map(each => each.run_id),
    ['f', 'e', 'd']
  );
  assert.equal(first?.more, 3);
  assert.deepEqual(found.get('conn_2'), { shown: [other], more: 0 });
  assert.equal(byConnection([]).size, 0);
});

test('a run is drawn by its primary metric, else a loss, else the first; one that has none by nothing', () => {
  const metrics = { acc: 0.9, lr: 0.1, val_loss: 0.2 };
  const best = { metric: 'acc', value: 0.9, step: 1, mode: 'max' as const };
  assert.equal(metricOf(run('a', { metrics, best })), 'acc');
  assert.equal(metricOf(run('a', { metrics })), 'val_loss');
  assert.equal(metricOf(run('a', { metrics: { lr: 0.1, acc: 0.9 } })), 'acc');
  assert.equal(metricOf(run('a', { metrics: {} })), '');
});
