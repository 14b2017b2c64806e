import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { CurveKey, Run, RunCurves, RunicornRemoteClient } from '../../api/client.js';
import {
  aligned,
  csvOf,
  extended,
  lineOf,
  positive,
  smoothed,
  spanOf,
  type ICurve
} from '../../curves/curve.js';
import { CurveReader } from '../../curves/reader.js';
import { MOST_LINES, namesOf, styleOf } from '../../curves/style.js';

function curves(id: string, steps: number[], values: Partial<RunCurves> = {}): RunCurves {
  return {
    connection_id: 'conn_1',
    run_id: id,
    steps,
    times: steps.map(step => 1000 + step),
    metrics: { loss: steps.map(step => step / 2) },
    not_finite: {},
    total: steps.length,
    version: `e-${steps.at(-1) ?? 0}`,
    reset: false,
    error: null,
    ...values
  };
}

const run = (id: string, values: Partial<Run> = {}): Run =>
  ({ connection_id: 'conn_1', host: 'gpu1', run_id: id, status: 'running', ...values }) as Run;

test('lines that would have the same name are told apart', () => {
  const names = namesOf([
    { name: 'base', server: 'gpu1', id: '1' },
    { name: 'base', server: 'gpu2', id: '2' },
    { name: 'base', server: 'gpu2', id: '3' },
    { name: 'wide', server: 'gpu1', id: '4' }
  ]);
  assert.deepEqual(names, ['base · gpu1', 'base · gpu2 · 2', 'base · gpu2 · 3', 'wide']);
});

/** The contrast of two colours as WCAG 2 defines it. */
function contrast(one: string, other: string): number {
  const luminance = (color: string): number => {
    const [red, green, blue] = [1, 3, 5]
      .map(at => parseInt(color.slice(at, at + 2), 16) / 255)
      .map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  };
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

test('forty lines differ in colour or dash, and are seen in a light and in a dark theme', () => {
  assert.equal(MOST_LINES, 40);
  const styles = Array.from({ length: MOST_LINES }, (_, index) => styleOf(index));
  assert.equal(new Set(styles.map(style => JSON.stringify(style))).size, MOST_LINES);
  assert.equal(new Set(styles.slice(0, 10).map(style => style.color)).size, 10);
  for (const { color } of styles) {
    assert.ok(contrast(color, '#ffffff') >= 3, color);
    assert.ok(contrast(color, '#111111') >= 3, color);
  }
});

test('an answer is put to what is known, more of its last step too, and a reset takes its place', () => {
  const first = extended(null, curves('a', [1, 2, 3]), ['loss', 'acc']);
  assert.deepEqual(first.metrics, { loss: [0.5, 1, 1.5], acc: [null, null, null] });
  const more = curves('a', [3, 4], {
    metrics: { loss: [7, null], acc: [0.5, null] },
    not_finite: { loss: [4] }
  });
  const second = extended(first, more, ['loss', 'acc']);
  assert.deepEqual(second.steps, [1, 2, 3, 4]);
  assert.deepEqual(second.times, [1001, 1002, 1003, 1004]);
  assert.deepEqual(second.metrics, { loss: [0.5, 1, 7, null], acc: [null, null, 0.5, null] });
  assert.deepEqual(second.notFinite, { loss: [4], acc: [] });
  assert.equal(second.version, 'e-4');
  const nothing = extended(second, curves('a', []), ['loss']);
  assert.deepEqual(nothing.steps, [1, 2, 3, 4]);
  const anew = extended(second, curves('a', [1, 2], { reset: true }), ['loss']);
  assert.deepEqual([anew.steps, anew.notFinite.loss], [[1, 2], []]);
});

const CURVE: ICurve = {
  steps: [1, 2, 3, 4],
  times: [1000, null, 990, 1030.5],
  metrics: { loss: [4, null, null, -1], rare: [null, 7, null, null] },
  notFinite: { loss: [3] },
  version: 'e-4'
};

test('a line has a gap where a value is no finite number, and none where nothing was logged', () => {
  assert.deepEqual(lineOf(CURVE, 'loss', 'step'), { x: [1, 3, 4], y: [4, null, -1] });
  assert.deepEqual(lineOf(CURVE, 'rare', 'step'), { x: [2], y: [7] });
  assert.deepEqual(lineOf(CURVE, 'none', 'step'), { x: [], y: [] });
  // In the order of the times, of which step 2 has none.
  assert.deepEqual(lineOf(CURVE, 'loss', 'time'), { x: [990, 1000, 1030.5], y: [null, 4, -1] });
  assert.deepEqual(lineOf(CURVE, 'loss', 'relative'), { x: [-10, 0, 30.5], y: [null, 4, -1] });
  assert.deepEqual(positive(lineOf(CURVE, 'loss', 'step')).y, [4, null, null]);
});

test('smoothing has no bias to the beginning, and leaves gaps', () => {
  const line = { x: [1, 2, 3, 4], y: [2, null, 4, 4] };
  assert.equal(smoothed(line, 0), line);
  const { y } = smoothed(line, 0.5);
  assert.deepEqual(y.slice(0, 2), [2, null]);
  // As TensorBoard has it: (0.5·2·0.5 + 0.5·4) / (1 − 0.5²), and so on.
  assert.ok(Math.abs(y[2]! - 2.5 / 0.75) < 1e-12);
  assert.ok(Math.abs(y[3]! - 3.25 / 0.875) < 1e-12);
  assert.deepEqual(
    smoothed({ x: [1, 2, 3], y: [5, 5, 5] }, 0.9).y.map(value => Math.round(value!)),
    [5, 5, 5]
  );
});

test('lines of several steps have one axis', () => {
  const lines = [
    { x: [1, 3], y: [10, null] },
    { x: [2, 3], y: [20, 30] }
  ];
  assert.deepEqual(aligned(lines), [
    [1, 2, 3],
    [10, undefined, null],
    [undefined, 20, 30]
  ]);
  assert.deepEqual(aligned([]), [[]]);
});

test('a part of a line is drawn with the point before it, and the one after it', () => {
  const line = { x: [10, 20, 30, 40, 50], y: [1, 2, null, 4, 5] };
  assert.deepEqual(spanOf(line, 25, 35), [1, 3]);
  assert.deepEqual(spanOf(line, 20, 40), [0, 4]);
  assert.deepEqual(spanOf(line, 31, 32), [2, 3]);
  assert.deepEqual(spanOf(line, 0, 99), [0, 4]);
  assert.deepEqual(spanOf(line, 60, 70), [4, 4]);
  assert.deepEqual(spanOf(line, 1, 2), [0, 0]);
  assert.deepEqual(spanOf({ x: [], y: [] }, 1, 2), [0, -1]);
});

test('what is copied is what was logged', () => {
  const text = csvOf('loss', [{ name: 'a "b", c', curve: CURVE }]);
  assert.equal(
    text,
    'run,step,time,"loss"\n"a ""b"", c",1,1000,4\n"a ""b"", c",3,990,\n"a ""b"", c",4,1030.5,-1\n'
  );
});

test('what is copied runs in no spreadsheet', () => {
  const text = csvOf('loss', [{ name: '=HYPERLINK("x")', curve: CURVE }]);
  assert.match(text, /^"'=HYPERLINK\(""x""\)",1,1000,4$/m);
});

/** A reader whose questions are answered by `go`. */
function makeReader(): {
  asked: CurveKey[][];
  go: (answer: (key: CurveKey) => RunCurves | Error) => Promise<void>;
  reader: CurveReader;
} {
  const asked: CurveKey[][] = [];
  const waiting: Array<(answer: (key: CurveKey) => RunCurves | Error) => void> = [];
  const client: Pick<RunicornRemoteClient, 'readCurves'> = {
    readCurves: keys => {
      asked.push([...keys]);
      return new Promise((resolve, reject) => {
        waiting.push(answer => {
          const runs = keys.map(answer);
          const error = runs.find(each => each instanceof Error);
          if (error) {
            reject(error);
          } else {
            resolve({ success: true, runs: runs as RunCurves[] });
          }
        });
      });
    }
  };
  const reader = new CurveReader(client, () => undefined);
  const go = async (answer: (key: CurveKey) => RunCurves | Error): Promise<void> => {
    waiting.splice(0).forEach(each => each(answer));
    await new Promise(resolve => setImmediate(resolve));
  };
  return { asked, go, reader };
}

const whole = (key: CurveKey): RunCurves => curves(key.run_id, [1, 2]);

test('each connection is asked once, then only for what is new of the runs that changed', async () => {
  const { asked, go, reader } = makeReader();
  const [a, b] = [run('a'), run('b')];
  const other = run('c', { connection_id: 'conn_2' });
  reader.look(true);
  reader.wish({ runs: [a, b, other], metrics: ['loss'] });
  assert.deepEqual(asked.map(keys => keys.map(key => key.run_id).join('')).sort(), ['ab', 'c']);
  await go(whole);
  reader.wish({ runs: [run('a', { step: 3 }), b, other], metrics: ['loss'] });
  assert.deepEqual(asked[2], [
    { connection_id: 'conn_1', run_id: 'a', since_step: 2, version: 'e-2' }
  ]);
  await go(key => curves(key.run_id, [3]));
  assert.deepEqual(reader.curveOf(a)?.steps, [1, 2, 3]);
  // Another metric has to be read from the beginning.
  reader.wish({ runs: [b], metrics: ['loss', 'acc'] });
  assert.deepEqual(asked[3]?.[0]?.since_step, null);
});

test('nothing is asked while nobody looks; one question catches up', async () => {
  const { asked, go, reader } = makeReader();
  reader.wish({ runs: [run('a')], metrics: ['loss'] });
  assert.equal(asked.length, 0);
  reader.look(true);
  await go(whole);
  reader.look(false);
  for (let step = 3; step < 9; step++) {
    reader.wish({ runs: [run('a', { step })], metrics: ['loss'] });
  }
  assert.equal(asked.length, 1);
  reader.look(true);
  assert.equal(asked.length, 2);
  await go(key => curves(key.run_id, [3, 4, 5, 6, 7, 8]));
  assert.equal(asked.length, 2);
  reader.dispose();
  reader.wish({ runs: [run('z')], metrics: ['loss'] });
  assert.equal(asked.length, 2);
});

test('a run that has ended is read to its end, and never again', async () => {
  const { asked, go, reader } = makeReader();
  reader.look(true);
  reader.wish({ runs: [run('a')], metrics: ['loss'] });
  await go(whole);
  reader.wish({ runs: [run('a', { status: 'finished' })], metrics: ['loss'] });
  await go(key => curves(key.run_id, [3]));
  reader.wish({ runs: [run('a', { status: 'finished', tags: ['best'] })], metrics: ['loss'] });
  assert.equal(asked.length, 2);
});

test('what cannot be read stays as it was, says since when, and is tried again', async () => {
  const { asked, go, reader } = makeReader();
  const later = run('a', { step: 3 });
  reader.look(true);
  reader.wish({ runs: [run('a')], metrics: ['loss'] });
  await go(whole);
  reader.wish({ runs: [later], metrics: ['loss'] });
  const error = { code: 'connection_lost', message: 'Down.' };
  await go(key => curves(key.run_id, [], { error }));
  assert.deepEqual(
    reader.problems.map(({ host, reason }) => [host, reason]),
    [['gpu1', error]]
  );
  assert.ok(reader.problems[0]?.asOf);
  assert.deepEqual(reader.curveOf(later)?.steps, [1, 2]);
  reader.retry();
  await go(() => new Error('no server'));
  assert.equal((reader.problems[0]?.reason as Error).message, 'no server');
  reader.retry();
  await go(key => curves(key.run_id, [3, 4]));
  assert.deepEqual(reader.problems, []);
  assert.deepEqual(reader.curveOf(later)?.steps, [1, 2, 3, 4]);
  reader.retry();
  assert.equal(asked.length, 4);
});
