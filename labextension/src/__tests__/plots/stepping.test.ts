import assert from 'node:assert/strict';
import { test } from 'node:test';

import { steppedTo } from '../../runs/plots/stepping.js';

test('arrows go one by one and stay at the ends', () => {
  assert.equal(steppedTo('ArrowRight', null, 3), 0);
  assert.equal(steppedTo('ArrowLeft', null, 3), 2);
  assert.equal(steppedTo('ArrowDown', 1, 3), 2);
  assert.equal(steppedTo('ArrowRight', 2, 3), 2);
  assert.equal(steppedTo('ArrowUp', 0, 3), 0);
  assert.equal(steppedTo('Home', 2, 3), 0);
  assert.equal(steppedTo('End', 0, 3), 2);
  assert.equal(steppedTo('x', 0, 3), undefined);
  assert.equal(steppedTo('End', null, 0), undefined);
});
