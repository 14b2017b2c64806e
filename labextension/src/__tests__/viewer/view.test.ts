import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Run } from '../../api/client.js';
import { isRunPage, runAt } from '../../viewer/view.js';

const RUNS = [{ page: '/runs/r1' }, { page: '/runs/r12' }] as Run[];

test('the run of a page is found by all of its path', () => {
  assert.equal(runAt(RUNS, '#!/runs/r1'), RUNS[0]);
  assert.equal(runAt(RUNS, '#!/runs/r12'), RUNS[1]);
  assert.equal(runAt(RUNS, '#!/runs/r12?tab=logs'), RUNS[1]);
  assert.equal(runAt(RUNS, '#!/runs/r1/logs'), RUNS[0]);
  for (const fragment of ['', '#!/', '#!/runs', '#!/runs/r', '#!/runs/r123', '/runs/r1']) {
    assert.equal(runAt(RUNS, fragment), undefined, fragment);
  }
});

test('which places are pages of runs', () => {
  assert.ok(isRunPage('#!/runs/r1?x'));
  for (const fragment of ['', '#!/', '#!/runs', '#!/runs/', '#!/gpu', '#/runs/r1']) {
    assert.ok(!isRunPage(fragment), fragment);
  }
});
