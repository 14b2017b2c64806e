import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Gpu, Machine, Run } from '../../api/client.js';
import { columnOf } from '../../runs/columns.js';
import { NO_PLACES, placesOf } from '../../runs/gpuPlaces.js';

function run(id: string, status: Run['status'] = 'running', connection = 'a'): Run {
  return { connection_id: connection, run_id: id, status } as Run;
}

function machine(id: string, users: string[][] | null, error: object | null = null): Machine {
  const gpus = users?.map((ids, index) => ({
    index,
    processes: ids.map(each => ({ run: { connection_id: id, run_id: each } }))
  }));
  return { connection_id: id, gpus: (gpus ?? null) as Gpu[] | null, error } as Machine;
}

test('the GPUs of a run, in their order, each once', () => {
  const places = placesOf([machine('a', [['x'], ['y', 'x', 'x'], []]), machine('b', [['x']])]);
  assert.equal(places.textOf(run('x')), '0, 1');
  assert.equal(places.textOf(run('y')), '1');
  assert.equal(places.textOf(run('z')), '');
  assert.equal(places.textOf(run('x', 'running', 'b')), '0');
});

test('a running run of which nothing is known is marked, one that is over is not', () => {
  const old = { code: 'connection_lost', message: 'down' };
  const places = placesOf([machine('a', [['x']], old), machine('b', null)]);
  assert.equal(places.numbersOf(run('x')), undefined);
  for (const id of ['a', 'b', 'c']) {
    assert.equal(places.textOf(run('x', 'running', id)), '?');
    assert.equal(places.textOf(run('x', 'finished', id)), '');
  }
});

test('places are equal as long as no run moved and nothing else became known', () => {
  const places = placesOf([machine('a', [['x']])]);
  assert.ok(places.isEqual(placesOf([machine('a', [['x', 'x']])])));
  assert.ok(!places.isEqual(placesOf([machine('a', [[], ['x']])])));
  assert.ok(!places.isEqual(placesOf([machine('a', [['y']])])));
  assert.ok(!places.isEqual(placesOf([machine('a', [['x']]), machine('b', [])])));
  assert.ok(!places.isEqual(NO_PLACES));
});

test('its column is there where a machine has a GPU, and the same for the same places', () => {
  assert.equal(columnOf('gpu', '', null), null);
  const places = placesOf([machine('a', [['x']])]);
  const column = columnOf('gpu', '', places)!;
  assert.equal(columnOf('gpu', '', places), column);
  assert.equal(column.value(run('x')), '0');
  assert.equal(column.value(run('z')), undefined);
});
