import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Run, RunicornRemoteClient, RunsCompareResponse } from '../../api/client.js';
import {
  baselineFirst,
  DifferencesReader,
  equalParams,
  formatDifference,
  formatParam,
  formatPercent,
  verdictOf,
  type IFoundDifferences
} from '../../runs/differences.js';

function run(id: string, params: Run['params'] = {}): Run {
  return { connection_id: 'conn_1', run_id: id, name: id, params } as Run;
}

const ids = (runs: readonly Run[]): string => runs.map(each => each.run_id).join('');

test('the baseline comes first, and stays where it is not among the runs', () => {
  const runs = [run('a'), run('b'), run('c')];
  assert.equal(ids(baselineFirst(runs, 'conn_1/c')), 'cab');
  assert.equal(baselineFirst(runs, 'conn_1/gone'), runs);
});

test('what is not among the differing parameters is the same in all', () => {
  const answer = { differing: [{ name: 'lr' }], same: 1 } as unknown as RunsCompareResponse;
  const found = { runs: [run('a', { lr: 1, depth: 3 }), run('b', { lr: 2, depth: 3 })], answer };
  assert.deepEqual(equalParams(found), [['depth', 3]]);
});

test('differences have their sign, and what is zero or unknown is not said', () => {
  assert.equal(formatDifference(-0.123456789), '−0.12346');
  assert.equal(formatDifference(2), '+2');
  assert.equal(formatDifference(0), '');
  assert.equal(formatDifference(null), '');
  assert.equal(formatPercent(-19.99), '−20 %');
  assert.equal(formatPercent(0.012345), '+0.0123 %');
  assert.equal(formatPercent(null), '');
  assert.equal(formatParam(0.11000000000000001), '0.11');
  assert.equal(formatParam(0.123456789), '0.123456789');
  assert.equal(formatParam(true), 'true');
  assert.equal(formatParam(null), 'null');
  assert.equal(formatParam(undefined), '');
});

test('a difference is for the better only where somebody says which way that is', () => {
  assert.equal(verdictOf(-1, 'min'), 'better');
  assert.equal(verdictOf(1, 'min'), 'worse');
  assert.equal(verdictOf(1, 'max'), 'better');
  assert.equal(verdictOf(1, null), null);
  assert.equal(verdictOf(0, 'max'), null);
  assert.equal(verdictOf(null, 'max'), null);
});

test('during a reading only the newest wish is kept, and after the end nothing is told', async () => {
  const asked: string[] = [];
  const waiting: Array<() => void> = [];
  const found: string[] = [];
  const failed: unknown[] = [];
  const compareRuns: RunicornRemoteClient['compareRuns'] = async (runs, options) => {
    asked.push(runs.map(each => each.run_id).join(''));
    await new Promise<void>(resolve => waiting.push(resolve));
    options!.signal!.throwIfAborted();
    if (runs[0]!.run_id === 'x') {
      throw new Error('down');
    }
    return {} as RunsCompareResponse;
  };
  const take = (each: IFoundDifferences): number => found.push(ids(each.runs));
  const reader = new DifferencesReader({ compareRuns }, take, reason => failed.push(reason));
  const go = async (): Promise<void> => {
    while (waiting.length > 0) {
      waiting.splice(0).forEach(resolve => resolve());
      await new Promise(resolve => setImmediate(resolve));
    }
  };
  void reader.read([run('a'), run('b')]);
  void reader.read([run('a'), run('c')]);
  const last = reader.read([run('a'), run('d')]);
  await go();
  await last;
  assert.deepEqual(asked, ['ab', 'ad']);
  // Each answer comes with the runs that it is about, though others are wished by then.
  assert.equal(found.pop(), 'ad');
  const lost = reader.read([run('x'), run('y')]);
  await go();
  await lost;
  assert.equal((failed[0] as Error).message, 'down');
  const count = found.length;
  const none = reader.read([run('a'), run('b')]);
  reader.dispose();
  await go();
  await none;
  assert.equal(found.length, count);
  assert.equal(failed.length, 1);
});
