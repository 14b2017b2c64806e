import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { CurveKey, RunCurves } from '../../api/client.js';
import { CurveReader } from '../../curves/reader.js';
import { pathOf, primaryOf } from '../../curves/Sparkline.js';
import { run } from '../support/runs.js';

test('a run is shown by its primary metric, if it has logged it; else by the chosen one', () => {
  const best = { metric: 'acc', value: 0.9, step: 1, mode: 'max' as const };
  assert.equal(primaryOf(run('a', { best, metrics: { acc: 0.9 } }), 'loss'), 'acc');
  assert.equal(primaryOf(run('a', { best }), 'loss'), 'loss');
  assert.equal(primaryOf(run('a'), 'loss'), 'loss');
});

test('a small curve has its greatest value at the top, and gaps', () => {
  assert.equal(pathOf([0, 10, 20], [0, 5, 10], 0, 10), 'M2.0 18.0h0L48.0 10.0L94.0 2.0');
  assert.equal(pathOf([0, 10, 20], [0, null, 10], 0, 10), 'M2.0 18.0h0M94.0 2.0h0');
  assert.equal(pathOf([7], [3], 3, 3), 'M48.0 10.0h0');
});

test('all runs in sight are asked for by one request, whatever their connection', async () => {
  const asked: CurveKey[][] = [];
  const error = { code: 'connection_lost', message: 'Down.' };
  const client = {
    readCurves: async (keys: readonly CurveKey[]) => {
      asked.push([...keys]);
      const runs = keys.map(({ connection_id, run_id }): RunCurves => {
        const at = { steps: [1], times: [1], metrics: { loss: [2] }, not_finite: {}, total: 1 };
        const failed = connection_id === 'conn_2' ? error : null;
        return {
          ...{ connection_id, run_id, ...at, version: 'v-1', reset: false },
          error: failed
        };
      });
      return { success: true as const, runs };
    }
  };
  let changed: () => void = () => undefined;
  const done = new Promise<void>(resolve => (changed = resolve));
  const reading = { points: 60, isTogether: true };
  const reader = new CurveReader(client, () => reader.isReading || changed(), reading);
  const [one, other] = [run('a'), run('b', { connection_id: 'conn_2', host: 'gpu2' })];
  reader.look(true);
  reader.wish({ runs: [one, other], metrics: ['loss'] });
  await done;
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.length, 2);
  assert.deepEqual(reader.curveOf(one)?.steps, [1]);
  assert.deepEqual(
    reader.problems.map(problem => problem.host),
    ['gpu2']
  );
});
