import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Run } from '../../api/client.js';
import {
  columnOf,
  compareValues,
  FACTS,
  type CellValue,
  type IColumn
} from '../../runs/columns.js';
import { cellOf, csvOfGroups, csvOfRuns } from '../../runs/exporting.js';
import {
  asCondition,
  completionsOf,
  cutAt,
  isCondition,
  namesIn,
  quoted
} from '../../runs/filter.js';
import { figuresOf, groupRuns, groupText, groupValue } from '../../runs/groups.js';
import {
  changeColumn,
  DEFAULT_LAYOUT,
  isNewestFirst,
  moveColumn,
  neighbourOf,
  readLayout,
  toggleColumn,
  toggleGroup,
  type ILayout
} from '../../runs/layout.js';
import { LayoutKeeper } from '../../runs/LayoutKeeper.js';
import { english } from '../support/english.js';
import { run } from '../support/runs.js';

const trans = english;
const column = (id: string): IColumn => columnOf(id, 'loss')!;
const idsOf = (layout: ILayout): string[] => layout.columns.map(each => each.id);

test('numbers come before texts whichever way is sorted, and infinities at their ends', () => {
  const sorted = (isDescending: boolean): CellValue[] =>
    ['b', 2, -Infinity, 'a', 1, Infinity].sort((a, b) => compareValues(a, b, isDescending));
  assert.deepEqual(sorted(false), [-Infinity, 1, 2, Infinity, 'a', 'b']);
  assert.deepEqual(sorted(true), [Infinity, 2, 1, -Infinity, 'b', 'a']);
  assert.equal(compareValues(Infinity, Infinity, false), 0);
});

test('columns of names have the value that the server sorts by', () => {
  const one = run('a', {
    metrics: { loss: 'NaN', acc: 'Infinity' },
    params: { 'model.depth': 3, lr: null, opt: 'adam', nan: 'NaN' },
    summary: { best: 0.123456789 }
  });
  assert.equal(column('metric.loss').value(one), undefined);
  assert.equal(column('metric.acc').value(one), Infinity);
  assert.equal(column('param.model.depth').value(one), 3);
  assert.equal(column('param.lr').value(one), undefined);
  assert.equal(column('param.nan').value(one), undefined);
  assert.equal(column('param.gone').value(one), undefined);
  const context = { trans, dates: null! };
  assert.deepEqual(column('param.opt').render(one, context), ['adam']);
  assert.deepEqual(column('summary.best').render(one, context), ['0.12346']);
  assert.equal(column('summary.best').exact!(one), '0.123456789');
  assert.equal(column('summary.gone').exact!(one), '');
  assert.equal(columnOf('metric', ''), null);
  assert.equal(columnOf('metric', 'acc')!.label(trans), 'acc');
  assert.equal(columnOf('nothing', ''), null);
  // The same object each time: rows are drawn anew for another one.
  assert.equal(column('param.lr'), column('param.lr'));
});

test('each fact has a head and a cell', () => {
  const one = run('a', { tags: ['night'], step: 12, status: 'running' });
  const dates = { day: () => 'day' } as never;
  for (const fact of FACTS) {
    assert.ok(fact.label(trans), fact.id);
    assert.ok(fact.render(one, { trans, dates })[0], fact.id);
    // On which GPU it is, the machines tell.
    assert.equal(fact.value(one) === undefined, fact.id === 'gpu', fact.id);
  }
});

test('which run, how it is and what it comes to is in sight beside the open panel', () => {
  const ids = ['status', 'name', 'metric', 'curve', 'server'];
  assert.deepEqual(idsOf(DEFAULT_LAYOUT).slice(0, ids.length), ids);
  const width = ids.reduce((sum, id) => sum + column(id).width, 0);
  // What the panel, two scroll bars and the check boxes leave of 1280 pixels.
  assert.ok(width <= 860, String(width));
});

test('columns are shown, hidden, moved, widened and pinned', () => {
  const shown = toggleColumn(DEFAULT_LAYOUT, 'param.lr');
  assert.deepEqual(idsOf(shown).slice(-2), ['gpu', 'param.lr']);
  assert.deepEqual(idsOf(toggleColumn(shown, 'param.lr')), idsOf(DEFAULT_LAYOUT));
  const single = { ...DEFAULT_LAYOUT, columns: [{ id: 'name' }] };
  assert.equal(toggleColumn(single, 'name'), single);
  const moved = moveColumn(shown, 'param.lr', 'status');
  assert.deepEqual(idsOf(moved).slice(0, 2), ['param.lr', 'status']);
  assert.deepEqual(idsOf(moveColumn(moved, 'param.lr', 'name')).slice(0, 3), [
    ...['status', 'name', 'param.lr']
  ]);
  assert.deepEqual(idsOf(moveColumn(moved, 'elsewhere', 'name')), idsOf(moved));
  const pinned = changeColumn(moved, 'name', { isPinned: true, width: 5 });
  assert.deepEqual(pinned.columns[2], { id: 'name', isPinned: true, width: 40 });
  assert.equal(neighbourOf(pinned, 'status', 1), 'metric');
  assert.equal(neighbourOf(pinned, 'name', 1), null);
  assert.deepEqual(toggleGroup(toggleGroup(shown, 'param.lr'), 'status').groupBy, [
    ...['param.lr', 'status']
  ]);
  assert.deepEqual(toggleGroup(toggleGroup(shown, 'a'), 'a').groupBy, []);
});

test('a layout that was kept is read with care', () => {
  const layout: ILayout = {
    columns: [{ id: 'name', width: 300, isPinned: true }, { id: 'param.lr' }],
    sort: [{ id: 'param.lr', desc: true }],
    groupBy: ['param.lr']
  };
  assert.deepEqual(readLayout(JSON.parse(JSON.stringify(layout))), layout);
  for (const value of [undefined, null, 'text', 3, [], {}, { columns: [] }, { columns: 'name' }]) {
    assert.equal(readLayout(value), null);
  }
  assert.deepEqual(
    readLayout({
      columns: [{ id: 'name', width: 'wide' }, { id: 7 }, null, { id: 'name' }, { id: '' }],
      sort: [{ id: 'name' }, 'name'],
      groupBy: ['a', 'a', 5]
    }),
    { columns: [{ id: 'name' }], sort: [{ id: 'name', desc: false }], groupBy: ['a'] }
  );
  const many = { columns: Array.from({ length: 999 }, (_, index) => ({ id: `param.${index}` })) };
  assert.equal(readLayout(many)!.columns.length, 256);
  assert.ok(isNewestFirst(DEFAULT_LAYOUT.sort));
  assert.ok(!isNewestFirst([{ id: 'created', desc: false }]));
});

test('a workspace keeps its layout, and others start with the one of the settings', async () => {
  const kept = new Map<string, unknown>();
  const state = {
    fetch: async (id: string) => kept.get(id) as never,
    save: async (id: string, value: unknown) => void kept.set(id, value)
  };
  const settings = { columns: [{ id: 'param.lr' }] };
  const keeper = new LayoutKeeper(state, () => ({ ...settings }));
  await keeper.restore();
  assert.deepEqual(idsOf(keeper.layout), ['param.lr']);
  assert.equal(keeper.layout, keeper.layout);
  keeper.set(toggleColumn(keeper.layout, 'name'));
  assert.deepEqual(idsOf(keeper.layout), ['param.lr', 'name']);
  await new Promise(resolve => setImmediate(resolve));
  const other = new LayoutKeeper(state, () => ({}));
  assert.equal(other.layout, DEFAULT_LAYOUT);
  await other.restore();
  assert.deepEqual(idsOf(other.layout), ['param.lr', 'name']);
  const none = new LayoutKeeper(null, () => 'nonsense');
  await none.restore();
  assert.equal(none.layout, DEFAULT_LAYOUT);
});

const SWEEP = [
  run('a', { params: { lr: 0.1 }, metrics: { loss: 0.5 } }),
  run('b', { params: { lr: 0.01 }, metrics: { loss: 0.4 }, status: 'failed' }),
  run('c', { params: { lr: 0.1 }, metrics: { loss: 0.3 } }),
  run('d', { params: { lr: '0.1' }, metrics: { loss: 'NaN' } }),
  run('e', { params: {}, metrics: {} })
];

test('runs with the same values are one group, in the order of the values', () => {
  const groups = groupRuns(SWEEP, [column('param.lr')]);
  assert.deepEqual(
    groups.map(group => [group.by[0], group.runs.map(each => each.run_id).join('')]),
    [
      [0.01, 'b'],
      [0.1, 'ac'],
      ['0.1', 'd'],
      [undefined, 'e']
    ]
  );
  const [one, two, lost] = groups;
  const text = (id: string, group = two!): string =>
    groupText(group, column(id), each => column(id).render(each, { trans, dates: null! })[0]);
  assert.equal(text('metric.loss'), '0.4 ± 0.14142');
  assert.equal(text('metric.loss', one), '0.4');
  assert.equal(text('metric.loss', lost), '');
  assert.equal(text('status'), 'Finished');
  assert.equal(text('param.lr'), '0.1');
  assert.equal(groupValue(two!, column('metric.loss')), 0.4);
  assert.equal(groupValue(two!, column('name')), undefined);
  assert.deepEqual(figuresOf(one!.runs, column('metric.loss')), { count: 1, mean: 0.4, std: null });
});

test('CSV has numbers in full, and nothing that a spreadsheet would run', () => {
  const runs = [
    run('r1', { name: '=HYPERLINK("x")', params: { lr: -0.1 }, metrics: { loss: 1 / 3 } })
  ];
  const columns = ['name', 'created', 'param.lr', 'metric.loss'].map(column);
  assert.equal(
    csvOfRuns(runs, columns, trans),
    'connection_id,run_id,Run,Started,lr,loss\r\n' +
      `conn_1,r1,"'=HYPERLINK(""x"")",2026-11-24T10:00:00.000Z,-0.1,0.3333333333333333\r\n`
  );
  const [head, ...rows] = csvOfGroups(
    SWEEP,
    [column('param.lr')],
    ['status', 'param.lr', 'metric.loss'].map(column),
    trans
  ).split('\r\n');
  assert.equal(head, 'lr,runs,Status,loss mean,loss std');
  assert.deepEqual(rows.slice(0, 2), [
    '0.01,1,failed,0.4,',
    '0.1,2,finished,0.4,0.14142135623730953'
  ]);
});

test('a cell lists what the table shows', () => {
  const columns = [column('param.lr'), column('created'), column('name')];
  const cell = (typed: string, id = 'created', desc = true): string =>
    cellOf(typed, [{ id, desc }], columns);
  assert.equal(cell(''), '%runicorn_runs --params');
  assert.equal(
    cell(`lr>1e-4 name="it's"`, 'param.lr'),
    `%runicorn_runs --params --where 'lr>1e-4 name="it'"'"'s"' --sort=-param.lr`
  );
  assert.equal(cell('base', 'name', false), '%runicorn_runs --params --where base --sort=name');
  assert.equal(
    cell('failed base'),
    `%runicorn_runs --params --where '(failed or status=failed) base'`
  );
});

test('words are told from conditions', () => {
  for (const text of ['', 'base run-1', 'and1 android', 'vision/cifar10']) {
    assert.ok(!isCondition(text), text);
  }
  for (const text of ['lr>1', 'not base', 'a OR b', '(a', '"a b"', 'host:gpu1']) {
    assert.ok(isCondition(text), text);
  }
  assert.equal(asCondition(' lr>1 failed '), 'lr>1 failed');
  assert.equal(quoted('learning rate'), '"learning rate"');
  assert.equal(quoted('a"b\\'), '"a\\"b\\\\"');
  assert.equal(quoted('Not'), '"Not"');
  assert.equal(quoted('model.depth'), 'model.depth');
});

test('names and values are completed at the end of what is typed', () => {
  const runs: readonly Run[] = [
    run('a', { params: { lr: 0.1, 'learning rate': 1, opt: 'adam' }, tags: ['night run'] }),
    run('b', { params: { lr: 0.01, opt: 'sgd' }, summary: { best: 1 } })
  ];
  const offered = (text: string): string[] => completionsOf(text, namesIn(runs), runs);
  assert.deepEqual(offered('l').slice(0, 3), ['"learning rate"', 'lr', 'loss']);
  assert.deepEqual(offered('loss<1 (best'), ['loss<1 (summary.best']);
  assert.deepEqual(offered('opt='), ['opt=adam', 'opt=sgd']);
  assert.deepEqual(offered('loss<1 opt=s'), ['loss<1 opt=sgd']);
  assert.deepEqual(offered('lr='), ['lr=0.01', 'lr=0.1']);
  assert.deepEqual(offered('tag:'), ['tag:"night run"']);
  assert.deepEqual(offered('status=f'), ['status=finished', 'status=failed']);
  assert.deepEqual(offered('"learning rate"='), ['"learning rate"=1']);
  assert.deepEqual(offered('summary.best='), ['summary.best=1']);
  assert.deepEqual(offered('lr>'), []);
  assert.deepEqual(offered('lr> 1'), []);
});

test('a mistake is marked where the server counts it', () => {
  assert.deepEqual(cutAt('🙂>', 1), ['🙂', '>']);
  assert.deepEqual(cutAt('lr>', 3), ['lr>', '']);
});
