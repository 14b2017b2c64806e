import assert from 'node:assert/strict';
import { test } from 'node:test';

import { columnOf } from '../../runs/columns.js';
import { coloringOf, MOST_WORDS } from '../../runs/plots/coloring.js';
import { run } from '../support/runs.js';

test('each server has a colour, the one with the most runs the first', () => {
  const runs = [
    run('a', { host: 'gpu2' }),
    run('b'),
    run('c'),
    run('d', { host: 'gpu2' }),
    run('e')
  ];
  const { words, ramp, colorOf } = coloringOf(columnOf('server', '')!, runs);
  assert.deepEqual(
    words.map(({ text, count }) => [text, count]),
    [
      ['gpu1 · torch', 3],
      ['gpu2 · torch', 2]
    ]
  );
  assert.equal(ramp, null);
  assert.equal(colorOf(runs[0]!), words[1]!.color);
  assert.notEqual(words[0]!.color, words[1]!.color);
});

test('words beyond the colours, and runs without one, share the last', () => {
  const names = [...Array(MOST_WORDS + 3).keys()].map(at => `opt-${at + 10}`);
  const runs = [...names.map(opt => run(opt, { params: { opt } })), run('none')];
  const { words, colorOf } = coloringOf(columnOf('param.opt', '')!, runs);
  assert.equal(words.length, MOST_WORDS + 1);
  assert.equal(new Set(words.map(word => word.color)).size, MOST_WORDS + 1);
  const rest = words.at(-1)!;
  assert.deepEqual([rest.text, rest.count], [null, 4]);
  assert.equal(colorOf(runs.at(-1)!), rest.color);
  assert.equal(colorOf(runs.at(-2)!), rest.color);
  assert.deepEqual(coloringOf(columnOf('param.gone', '')!, runs).words, [
    { color: rest.color, text: null, count: runs.length }
  ]);
});

test('numbers have a ramp, by their logarithms where the axis has them', () => {
  const runs = [0.001, 0.1, 10].map(lr => run(String(lr), { params: { lr } }));
  const { words, ramp, colorOf } = coloringOf(columnOf('param.lr', '')!, [...runs, run('none')]);
  assert.deepEqual(words, []);
  assert.deepEqual([ramp!.least, ramp!.greatest], ['0.001', '10']);
  assert.equal(colorOf(runs[0]!), ramp!.colors[0]);
  assert.equal(colorOf(runs[2]!), ramp!.colors.at(-1));
  assert.equal(colorOf(runs[1]!), ramp!.colors[Math.round((ramp!.colors.length - 1) / 2)]);
  assert.ok(!ramp!.colors.includes(colorOf(run('none'))));
  for (const color of ramp!.colors) {
    assert.match(color, /^#[0-9a-f]{6}$/);
  }
});
