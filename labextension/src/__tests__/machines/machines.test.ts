import assert from 'node:assert/strict';
import { test } from 'node:test';

import type {
  ConnectionInfo,
  Gpu,
  GpuProcess,
  Machine,
  MachinesResponse,
  Run,
  RunicornRemoteClient,
  RunsResponse
} from '../../api/client.js';
import { isDiskLow, MachinesStore } from '../../state/machines.js';
import { RemoteStore } from '../../state/store.js';
import {
  formatBytes,
  formatGib,
  freestFirst,
  gpuLabel,
  holderLabel,
  holdersOf,
  machineProblem,
  stateOf
} from '../../ui/gpus.js';
import { english } from '../support/english.js';

const GIB = 2 ** 30;

function gpu(values: Partial<Gpu> = {}): Gpu {
  return {
    index: 0,
    uuid: 'GPU-a',
    name: 'NVIDIA A100',
    vendor: 'nvidia',
    used_percent: 0,
    memory_total: 80 * GIB,
    memory_used: 0,
    temperature_c: 30,
    power_w: 50,
    processes: [],
    ...values
  };
}

function process(values: Partial<GpuProcess> = {}): GpuProcess {
  return {
    pid: 7,
    user: 'ada',
    command: 'python',
    memory: GIB,
    mine: true,
    run: null,
    ...values
  };
}

function machine(id: string, gpus: Gpu[] | null, values: Partial<Machine> = {}): Machine {
  return {
    connection_id: id,
    host: id,
    cpu: { count: 8, used_percent: 5, load1: 1 },
    memory: { total: 64 * GIB, used: GIB },
    disk: null,
    gpus,
    as_of: '2026-11-24T10:00:00Z',
    error: null,
    ...values
  };
}

const KEY = { connection_id: 'a', run_id: 'r1' };
const RUN = { ...KEY, name: 'baseline', path: 'vision/r1' } as Run;

test('whose a GPU is, as far as the server shows it', () => {
  assert.equal(stateOf(gpu()), 'free');
  assert.equal(stateOf(gpu({ memory_used: 3 * GIB })), 'free');
  assert.equal(stateOf(gpu({ memory_used: 5 * GIB })), 'used');
  assert.equal(stateOf(gpu({ memory_used: null, used_percent: 90 })), 'used');
  assert.equal(stateOf(gpu({ memory_used: null, used_percent: null })), 'unknown');
  assert.equal(stateOf(gpu({ processes: [process({ mine: false })] })), 'other');
  assert.equal(stateOf(gpu({ processes: [process({ mine: null, run: KEY })] })), 'mine');
});

test('processes of one run, or one account, are one holder', () => {
  const held = gpu({
    processes: [
      process({ run: KEY, memory: GIB }),
      process({ run: KEY, memory: 2 * GIB }),
      process({ user: 'bob', mine: false, memory: null }),
      process({ user: 'bob', mine: false }),
      process()
    ]
  });
  const holders = holdersOf(held);
  assert.deepEqual(
    holders.map(holder => [holder.processes.length, holder.memory]),
    [
      [2, 3 * GIB],
      [2, null],
      [1, GIB]
    ]
  );
  assert.deepEqual(
    holders.map(holder => holderLabel(english, holder, holder.run ? RUN : undefined)),
    ['you: baseline', 'bob', 'you']
  );
  assert.equal(holderLabel(english, holders[0]!, undefined), 'you: r1');
  const [strange] = holdersOf(gpu({ processes: [process({ user: 'x\u202ey', mine: null })] }));
  assert.equal(holderLabel(english, strange!, undefined), 'x\\u{202e}y');
  const [unseen] = holdersOf(gpu({ processes: [process({ user: null, mine: null })] }));
  assert.equal(holderLabel(english, unseen!, undefined), 'somebody');
});

test('a GPU in a few words', () => {
  const say = (values: Partial<Gpu>): string => gpuLabel(english, gpu(values), () => RUN);
  assert.equal(say({}), 'GPU 0 free');
  assert.equal(
    say({ index: 1, used_percent: 43.2, processes: [process({ run: KEY })] }),
    'GPU 1 you: baseline 43 %'
  );
  const others = [process({ user: 'bob', mine: false })];
  assert.equal(say({ memory_used: 78 * GIB, processes: others }), 'GPU 0 another user 78 GiB');
  const hidden = [process({ user: null, mine: null })];
  assert.equal(say({ memory_used: 78 * GIB, processes: hidden }), 'GPU 0 somebody 78 GiB');
  assert.equal(say({ memory_used: 9 * GIB }), 'GPU 0 in use 9.0 GiB');
  assert.equal(say({ memory_used: null, used_percent: null }), 'GPU 0 unknown');
});

test('the machine with the most free memory comes first, and flicker moves nothing', () => {
  const with_ = (id: string, ...used: number[]): Machine =>
    machine(
      id,
      used.map((gib, index) => gpu({ index, memory_used: gib * GIB }))
    );
  const machines = [
    machine('none', []),
    with_('full', 79, 79),
    with_('one', 79, 0),
    with_('two', 0, 0.01)
  ];
  assert.deepEqual(
    freestFirst([machine('unknown', null), ...machines]).map(each => each.host),
    ['two', 'one', 'full', 'unknown', 'none']
  );
  assert.deepEqual(
    freestFirst([with_('a', 1.1), with_('b', 1.2), with_('c', 1)]).map(each => each.host),
    ['a', 'b', 'c']
  );
});

test('sizes, disks and problems', () => {
  assert.deepEqual([formatGib(9.94 * GIB), formatGib(9.96 * GIB)], ['9.9 GiB', '10 GiB']);
  assert.deepEqual([formatBytes(4.2e9), formatBytes(2e12)], ['4.2 GB', '2.0 TB']);
  assert.equal(isDiskLow({ path: '/', total: 1e12, free: 49e9 }), true);
  assert.equal(isDiskLow({ path: '/', total: 20e9, free: 4.9e9 }), true);
  assert.equal(isDiskLow({ path: '/', total: 1e12, free: 51e9 }), false);
  const hung = { code: 'gpus_unknown', message: 'gpu1: the driver hangs.' };
  assert.equal(machineProblem(english, machine('a', [])), null);
  assert.deepEqual(machineProblem(english, machine('a', [], { error: hung })), {
    title: 'Its GPUs cannot be looked at.',
    detail: 'gpu1: the driver hangs.'
  });
});

/** A server that is asked, and answers when a test says so. */
class AskedServer {
  asked: Array<{ changedSince?: string; wait?: number; signal: AbortSignal }> = [];
  runsAsked: object[] = [];
  connections = [{ connection_id: 'a' }] as ConnectionInfo[];

  readonly client = {
    listConnections: async () => this.connections,
    ping: async () => ({ latency_ms: 1 }),
    readMachines: (options: object, signal: AbortSignal) =>
      new Promise<MachinesResponse>((resolve, reject) => {
        this.asked.push({ ...options, signal });
        this._answer = [resolve, reject];
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    readRuns: async (options: object) => {
      this.runsAsked.push(options);
      return { runs: [RUN] } as RunsResponse;
    }
  } as unknown as RunicornRemoteClient;

  async answer(machines: Machine[], values: Partial<MachinesResponse> = {}): Promise<void> {
    const whole = { success: true as const, machines, removed: [], reset: false, version: 'e-1' };
    this._answer![0]({ ...whole, ...values });
    await settled();
  }

  async fail(): Promise<void> {
    this._answer![1](new Error('down'));
    await settled();
  }

  private _answer: [(answer: MachinesResponse) => void, (reason: Error) => void] | null = null;
}

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

async function makeStore(): Promise<{
  server: AskedServer;
  remote: RemoteStore;
  store: MachinesStore;
}> {
  const server = new AskedServer();
  const remote = new RemoteStore(server.client);
  const store = new MachinesStore(server.client, remote, async () => undefined);
  await remote.refresh();
  return { server, remote, store };
}

test('the server is asked only while somebody follows, one request after the other', async () => {
  const { server, remote, store } = await makeStore();
  remote.handleEvent({ type: 'machines' });
  await settled();
  assert.equal(server.asked.length, 0);
  const first = store.follow();
  const second = store.follow();
  assert.equal(server.asked.length, 1);
  assert.equal(server.asked[0]!.changedSince, undefined);
  await server.answer([machine('a', []), machine('b', [])]);
  assert.equal(server.asked.length, 2);
  assert.equal(server.asked[1]!.changedSince, 'e-1');
  assert.ok(server.asked[1]!.wait! > 0);
  await server.answer([machine('b', [gpu()])], { removed: ['a'], version: 'e-2' });
  assert.deepEqual(
    store.machines!.map(each => [each.host, each.gpus!.length]),
    [['b', 1]]
  );
  await server.answer([machine('c', [])], { reset: true, version: 'f-1' });
  assert.deepEqual(
    store.machines!.map(each => each.host),
    ['c']
  );
  first.dispose();
  assert.equal(server.asked.at(-1)!.signal.aborted, false);
  second.dispose();
  assert.equal(server.asked.at(-1)!.signal.aborted, true);
  await settled();
  assert.equal(server.asked.length, 4);
  // What was known is not told as what is so now.
  assert.equal(store.machines, null);
  assert.equal(store.error, null);
  store.follow();
  assert.equal(server.asked.at(-1)!.changedSince, undefined);
});

test('without connections nobody is asked', async () => {
  const { server, remote, store } = await makeStore();
  store.follow();
  server.connections = [];
  await remote.refresh();
  assert.equal(server.asked.at(-1)!.signal.aborted, true);
  server.connections = [{ connection_id: 'b' }] as ConnectionInfo[];
  await remote.refresh();
  assert.equal(server.asked.length, 2);
});

test('a request that fails is told, and none follows until somebody says so', async () => {
  const { server, remote, store } = await makeStore();
  store.follow();
  await server.answer([machine('a', [])]);
  await server.fail();
  assert.equal((store.error as Error).message, 'down');
  assert.equal(store.machines!.length, 1);
  await remote.refresh();
  assert.equal(server.asked.length, 2);
  store.retry();
  assert.equal(store.error, null);
  assert.equal(server.asked.length, 3);
  await server.fail();
  remote.resume();
  assert.equal(server.asked.length, 4);
});

test('who has no use of the machines now does not have them looked at', async () => {
  const { server, store } = await makeStore();
  let hasUse = false;
  store.follow(() => hasUse);
  assert.equal(server.asked.length, 0);
  hasUse = true;
  store.reconsider();
  assert.equal(server.asked.length, 1);
  hasUse = false;
  store.reconsider();
  assert.equal(server.asked[0]!.signal.aborted, true);
});

test('a machine without a GPU is looked at once for what shows only what is used', async () => {
  const { server, remote, store } = await makeStore();
  const following = store.followUsed();
  await server.answer([machine('a', [])]);
  assert.equal(server.asked.length, 1);
  assert.equal(store.machines, null);
  // Another machine comes, whose disk is almost full.
  server.connections = [{ connection_id: 'a' }, { connection_id: 'b' }] as ConnectionInfo[];
  await remote.refresh();
  assert.equal(server.asked.length, 2);
  const full = machine('b', [], { disk: { path: '/data', total: 1e12, free: 1e9 } });
  await server.answer([machine('a', []), full]);
  assert.equal(server.asked.length, 3);
  // It is gone, and what is left is known.
  server.connections = [{ connection_id: 'a' }] as ConnectionInfo[];
  await remote.refresh();
  assert.equal(server.asked.at(-1)!.signal.aborted, true);
  following.dispose();
  // A tab of machines asks whatever they have.
  store.follow();
  assert.equal(server.asked.length, 4);
});

test('a machine that does not tell yet, or no more, is asked on', async () => {
  const { server, store } = await makeStore();
  store.followUsed();
  await server.answer([machine('a', null, { as_of: null })]);
  const error = { code: 'connection_lost', message: 'down' };
  await server.answer([machine('a', [], { error })], { version: 'e-2' });
  assert.equal(server.asked.length, 3);
});

test('the run on a GPU is read once', async () => {
  const { server, store } = await makeStore();
  store.follow();
  const held = machine('a', [gpu({ processes: [process({ run: KEY })] })]);
  await server.answer([held]);
  await server.answer([held], { version: 'e-2' });
  assert.deepEqual(server.runsAsked, [{ filters: { connectionId: 'a', runId: 'r1' }, limit: 1 }]);
  assert.equal(store.run(KEY)?.name, 'baseline');
  await server.answer([machine('a', [gpu()])], { version: 'e-3' });
  assert.equal(store.run(KEY), undefined);
});
