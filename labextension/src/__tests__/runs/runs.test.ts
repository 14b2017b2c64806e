import assert from 'node:assert/strict';
import { test } from 'node:test';

import type {
  RemoteEvent,
  Run,
  RunsResponse,
  RunsServer,
  RunicornRemoteClient
} from '../../api/client.js';
import { RunNews, type ISummary } from '../../runs/news.js';
import { RunsStore } from '../../state/runs.js';
import { formatDuration, matching, nameOf, secondsOf } from '../../runs/table.js';
import { RemoteStore } from '../../state/store.js';
import { english } from '../support/english.js';
import { run } from '../support/runs.js';

const SERVER = { connection_id: 'conn_1', host: 'gpu1', error: null } as RunsServer;

function answer(runs: Run[], values: Partial<RunsResponse> = {}): RunsResponse {
  return {
    success: true,
    runs,
    total: runs.length,
    next_cursor: null,
    version: 'e-1',
    reset: false,
    removed: [],
    servers: [SERVER],
    ...values
  };
}

/** A client that gives prepared answers, in their order. */
class PreparedClient {
  answers: Array<RunsResponse | Error> = [];
  asked: object[] = [];

  async readRuns(options: object): Promise<RunsResponse> {
    this.asked.push(JSON.parse(JSON.stringify(options)));
    const next = this.answers.shift();
    if (next === undefined || next instanceof Error) {
      throw next ?? new Error('nobody expected this');
    }
    return next;
  }
}

function makeStore(...answers: Array<RunsResponse | Error>): {
  client: PreparedClient;
  remote: RemoteStore;
  store: RunsStore;
} {
  const client = new PreparedClient();
  client.answers = answers;
  const none = { listConnections: async () => [] } as unknown as RunicornRemoteClient;
  const remote = new RemoteStore(none);
  return {
    client,
    remote,
    store: new RunsStore(client, remote)
  };
}

const idsOf = (runs: readonly Run[]): string[] => runs.map(item => item.run_id);

test('the runs are read page by page, then only what changed, and keep their order', async () => {
  const later = run('c', { created_at: '2026-11-24T10:00:00.25Z' });
  const { client, store } = makeStore(
    answer([run('b')], { next_cursor: 'p2' }),
    answer([run('a')], { version: 'e-9' }),
    answer([run('a', { status: 'failed' }), later], { version: 'e-2' }),
    answer([run('a')], { version: 'e-3', removed: [{ connection_id: 'conn_1', run_id: 'b' }] }),
    new Error('down'),
    answer([], { version: 'e-4', servers: [] }),
    answer([run('d')], { reset: true, version: 'f-1' })
  );
  await store.refresh();
  assert.deepEqual(idsOf(store.runs), ['b', 'a']);
  await store.refresh();
  assert.deepEqual(idsOf(store.runs), ['c', 'b', 'a']);
  assert.equal(store.runs[2]!.status, 'failed');
  await store.refresh();
  assert.deepEqual(idsOf(store.runs), ['c', 'a']);
  await store.refresh();
  assert.equal((store.error as Error).message, 'down');
  assert.equal(store.runs.length, 2);
  await store.refresh();
  assert.equal(store.error, null);
  assert.deepEqual(store.runs, []);
  await store.refresh();
  assert.deepEqual(idsOf(store.runs), ['d']);
  // The version is that of the first page: what changed while others were read is told afterwards.
  assert.deepEqual(client.asked, [
    {},
    { cursor: 'p2' },
    { changedSince: 'e-1' },
    { changedSince: 'e-2' },
    { changedSince: 'e-3' },
    { changedSince: 'e-3' },
    { changedSince: 'e-4' }
  ]);
});

test('all is read anew also where only what changed is being read', async () => {
  const { client, store } = makeStore(
    answer([run('b'), run('a')]),
    answer([run('a', { status: 'failed' })], { version: 'e-2' }),
    answer([run('c'), run('b'), run('a')], { version: 'e-3' })
  );
  await store.refresh();
  const seen: string[][] = [];
  store.changed.connect(() => seen.push(idsOf(store.runs)));
  const following = store.follow();
  await store.readAll();
  assert.ok(
    seen.every(ids => ids.includes('b')),
    'what had not changed was gone'
  );
  assert.deepEqual(idsOf(store.runs), ['c', 'b', 'a']);
  assert.deepEqual(client.asked, [{}, { changedSince: 'e-1' }, {}]);
  following.dispose();
});

test('events are followed only as long as somebody looks', async () => {
  const { client, remote, store } = makeStore(...Array.from({ length: 9 }, () => answer([])));
  remote.handleEvent({ type: 'runs' });
  assert.equal(client.asked.length, 0);
  const following = store.follow();
  await store.refresh();
  const before = client.asked.length;
  remote.handleEvent({ type: 'runs' });
  remote.handleEvent({ type: 'progress' });
  remote.resume();
  await store.refresh();
  assert.equal(client.asked.length, before + 2);
  following.dispose();
  remote.handleEvent({ type: 'run' });
  assert.equal(client.asked.length, before + 2);
});

test('after an event what was told is read, and after a break or on demand the viewers are asked', async () => {
  const { client, remote, store } = makeStore(...Array.from({ length: 9 }, () => answer([])));
  const following = store.follow();
  await store.refresh();
  const waits = async (act: () => unknown): Promise<Array<number | undefined>> => {
    const before = client.asked.length;
    const read = new Promise<void>(resolve => store.changed.connect(() => resolve()));
    act();
    await read;
    return client.asked.slice(before).map(each => (each as { wait?: number }).wait);
  };
  const [told] = await waits(() => remote.handleEvent({ type: 'runs' }));
  assert.ok(told! > 0 && told! <= 1);
  assert.deepEqual(await waits(() => remote.resume()), [undefined]);
  assert.deepEqual(await waits(() => store.refresh()), [undefined]);
  following.dispose();
});

test('a filter goes with every request, and one that is over asks for nothing', async () => {
  const { client, remote } = makeStore(
    answer([run('b')], { next_cursor: 'p2' }),
    answer([run('a')]),
    answer([], { removed: [{ connection_id: 'conn_1', run_id: 'b' }] })
  );
  const passing = new RunsStore(client, remote, { where: 'lr>1' });
  let changes = 0;
  passing.changed.connect(() => {
    changes += 1;
  });
  passing.follow();
  await passing.refresh();
  assert.deepEqual(idsOf(passing.runs), ['a']);
  assert.deepEqual(
    client.asked.map(each => ({ ...each, signal: undefined })),
    [{}, { cursor: 'p2' }, { changedSince: 'e-1' }].map(each => ({
      ...{ filters: { where: 'lr>1' }, signal: undefined },
      ...each
    }))
  );
  passing.dispose();
  const before = changes;
  remote.handleEvent({ type: 'runs' });
  remote.resume();
  await passing.refresh();
  assert.equal(changes, before);
  assert.equal(client.asked.length, 4); // by the refresh only, which nobody calls then
});

test('each typed word has to be somewhere, in any case', () => {
  const runs = [run('base', { tags: ['Night'] }), run('wide', { host: 'gpu2', status: 'failed' })];
  assert.deepEqual(idsOf(matching(runs, 'VISION gpu2')), ['wide']);
  assert.deepEqual(idsOf(matching(runs, 'night')), ['base']);
  assert.deepEqual(idsOf(matching(runs, ' failed vis')), ['wide']);
  assert.equal(matching(runs, '  '), runs);
});

test('durations and names as people read them', () => {
  assert.equal(formatDuration(59.6), '0:01:00');
  assert.equal(formatDuration(100 * 3600 + 61), '100:01:01');
  assert.equal(formatDuration(null), '');
  const begun = run('r', {
    status: 'running',
    duration_seconds: null,
    started_at: '2026-11-24T10:00:00Z'
  });
  assert.equal(secondsOf(begun, new Date('2026-11-24T10:01:00Z')), 60);
  assert.equal(secondsOf({ ...begun, status: 'failed' }, new Date()), null);
  assert.deepEqual(nameOf(run('a')), ['vision/a', '']);
  assert.deepEqual(nameOf(run('a', { name: 'best' })), ['best', 'vision/a']);
  assert.deepEqual(nameOf(run('a', { name: null })), ['a', 'vision/a']);
});

/** News, with what was asked and told; answers come when they are let go. */
function makeNews(): {
  news: RunNews;
  asked: string[];
  told: Array<[host: string, summary: ISummary]>;
  go: () => Promise<void>;
} {
  const asked: string[] = [];
  const told: Array<[string, ISummary]> = [];
  const waiting: Array<() => void> = [];
  const readRuns: RunicornRemoteClient['readRuns'] = async options => {
    asked.push(options!.filters!.runId!);
    await new Promise<void>(resolve => waiting.push(resolve));
    return answer([run(options!.filters!.runId!, { name: 'x'.repeat(200) })]);
  };
  const news = new RunNews({ readRuns }, english, (host, summary) => told.push([host, summary]));
  const go = async (): Promise<void> => {
    do {
      waiting.splice(0).forEach(resolve => resolve());
      await new Promise(resolve => setImmediate(resolve));
    } while (waiting.length > 0);
  };
  return { news, asked, told, go };
}

const nan = (id: number, host = 'gpu1'): RemoteEvent => ({
  ...{ type: 'run', status: 'nan', metric: 'loss', connection_id: 'conn_1' },
  ...{ host, run_id: `r${id}` }
});

test('a flood of events is one request now and one afterwards, and one notification', async () => {
  const { news, asked, told, go } = makeNews();
  for (let count = 0; count < 19_200; count += 1) {
    news.take(nan(count));
  }
  for (const [status, count] of [
    ['nan', 200],
    ['failed', 100],
    ['started', 40]
  ] as const) {
    news.take({ type: 'more', of: 'run', status, count, connection_id: 'conn_1', host: 'gpu1' });
  }
  news.take({ type: 'more', of: 'progress', count: 7, connection_id: 'conn_1', host: 'gpu1' });
  news.take({ type: 'run', status: 'started', connection_id: 'conn_1', host: 'gpu1' });
  await go();
  assert.equal(asked.length, 2);
  assert.ok(told.every(([host]) => host === 'gpu1'));
  const [, last] = told[told.length - 1]!;
  assert.equal(last.count, 19_500);
  assert.equal(last.kind, 'warning');
  const [sentence, rest] = last.message.split('\n');
  assert.match(sentence!, /^loss of x+…x+ on gpu1 is no finite number any more\.$/);
  assert.equal(rest, '… and 19499 more messages.');
  assert.ok(last.message.length <= 140);
});

test('of two pieces of news both are told, of more the worst; each host has its own', async () => {
  const { news, told, go } = makeNews();
  const last = (host: string): ISummary => told.filter(each => each[0] === host).pop()![1];
  news.take({ type: 'more', of: 'run', status: 'started', count: 300, host: 'gpu1' });
  news.take(nan(1));
  news.take({ ...nan(1), status: 'finished' });
  news.take({ ...nan(2, 'gpu2'), status: 'finished' });
  await go();
  assert.equal(last('gpu1').kind, 'warning');
  assert.match(last('gpu1').message, /no finite number any more\.\n.* has finished\.$/);
  assert.equal(last('gpu2').kind, 'success');
  assert.equal(last('gpu2').run!.run_id, 'r2');
  news.take({ ...nan(3), status: 'failed' });
  await go();
  assert.equal(last('gpu1').kind, 'error');
  assert.match(last('gpu1').message, / has failed\.\n… and 2 more messages\.$/);
  news.forget('gpu1');
  news.take({ ...nan(4), status: 'finished' });
  await go();
  assert.equal(last('gpu1').count, 1);
  assert.equal(last('gpu1').kind, 'success');
});

/** A client whose answers come when they are let go, and a reader with what it found. */
