import assert from 'node:assert/strict';
import { test } from 'node:test';

import type {
  ConnectionInfo,
  Environment,
  EnvironmentsResponse,
  RunicornRemoteClient,
  Viewer
} from '../../api/client.js';
import { RemoteStore } from '../../state/store.js';
import { locationOf, holdsViewer, locationKey, parseLocation } from '../../state/viewerLocation.js';
import { viewOf } from '../../viewer/view.js';

function viewer(values: Partial<Viewer> = {}): Viewer {
  return {
    status: 'running',
    url: 'http://localhost/v/1/',
    local_port: 8888,
    remote_port: 4000,
    pid: 1,
    env_name: 'torch',
    remote_root: '/data/runs',
    runicorn_version: '0.7.2',
    started_at: null,
    uptime_seconds: 1,
    health: null,
    ...values
  };
}

function connection(values: Partial<ConnectionInfo> = {}): ConnectionInfo {
  return {
    connection_id: 'conn_1',
    host: 'gpu1',
    port: 22,
    username: 'mia',
    status: 'connected',
    created_at: '',
    connected_since: null,
    reconnects: 0,
    multiplexed: false,
    viewer: null,
    ...values
  };
}

type EnvironmentsLook = Omit<EnvironmentsResponse, 'success' | 'total'>;

/** A client whose answers the test holds back and lets go. */
class HeldClient {
  connections: ConnectionInfo[] = [];
  environments: Environment[] = [];
  readings = 0;
  pings = 0;
  detections = 0;
  environmentReadings = 0;
  failing: Error | null = null;
  private _waiting: Array<() => void> = [];
  hold = false;

  release(): void {
    this._waiting.splice(0).forEach(resume => resume());
  }

  async listConnections(): Promise<ConnectionInfo[]> {
    this.readings += 1;
    const answer = this.connections;
    if (this.hold) {
      await new Promise<void>(resume => this._waiting.push(resume));
    }
    if (this.failing) {
      throw this.failing;
    }
    return answer;
  }

  async readEnvironments(): Promise<EnvironmentsLook> {
    if (this.failing) {
      throw this.failing;
    }
    this.environmentReadings += 1;
    return {
      environments: this.environments,
      notes: ['slow'],
      storage_candidates: ['/data'],
      storage_roots: [{ path: '/data', runs: 3 }],
      setup: null
    };
  }

  async detectEnvironments(): Promise<EnvironmentsLook> {
    this.detections += 1;
    return this.readEnvironments();
  }

  async ping(): Promise<{ latency_ms: number }> {
    this.pings += 1;
    return { latency_ms: 12.5 };
  }

  async listHosts(): Promise<never[]> {
    return [];
  }

  async readProfiles(): Promise<never> {
    throw new Error('no profiles');
  }
}

function makeStore(): { client: HeldClient; store: RemoteStore } {
  const client = new HeldClient();
  return { client, store: new RemoteStore(client as unknown as RunicornRemoteClient) };
}

test('a burst of events costs one reading now and one afterwards', async () => {
  const { client, store } = makeStore();
  client.hold = true;
  const first = store.refresh();
  for (let count = 0; count < 20; count += 1) {
    store.handleEvent({ type: 'connection', connection_id: 'conn_1', status: 'connected' });
  }
  const last = store.refresh();
  assert.equal(client.readings, 1);
  client.connections = [connection()];
  client.hold = false;
  client.release();
  await first;
  await last;
  assert.equal(client.readings, 2);
  assert.equal(store.connections.length, 1);
});

test('latency is measured when a connection comes up, and forgotten when it goes down', async () => {
  const { client, store } = makeStore();
  client.connections = [connection()];
  await store.refresh();
  await store.refresh();
  assert.equal(client.pings, 1);
  assert.equal(store.latency('conn_1')?.ms, 12.5);
  client.connections = [connection({ status: 'reconnecting' })];
  await store.refresh();
  assert.equal(store.latency('conn_1'), undefined);
  client.connections = [connection()];
  await store.refresh();
  assert.equal(client.pings, 2);
});

test('a failed reading keeps what was known, and says why', async () => {
  const { client, store } = makeStore();
  client.connections = [connection()];
  await store.refresh();
  client.failing = new Error('down');
  await store.refresh();
  assert.equal(store.error, client.failing);
  assert.equal(store.connections.length, 1);
  client.failing = null;
  await store.refresh();
  assert.equal(store.error, null);
});

test('progress is kept by request and by connection until the work is over', () => {
  const { store } = makeStore();
  store.handleEvent({
    type: 'progress',
    request_id: 'r1',
    connection_id: 'conn_1',
    step: 'connecting'
  });
  assert.deepEqual(store.step('r1'), { step: 'connecting', message: '', said: '' });
  const said = {
    type: 'progress',
    request_id: 'r1',
    step: 'message',
    text: 'Visit\nhttps://a'
  } as const;
  store.handleEvent(said);
  store.handleEvent({ type: 'progress', request_id: 'r1', step: 'authenticating' });
  assert.deepEqual(store.step('r1'), {
    step: 'authenticating',
    message: '',
    said: 'Visit\nhttps://a'
  });
  store.handleEvent({ type: 'connection', connection_id: 'conn_1', status: 'connected' });
  assert.equal(store.step('conn_1'), undefined);
  store.clearStep('r1');
  assert.equal(store.step('r1'), undefined);
});

test('however many steps there are, a frame has one change, and only so many are kept', async () => {
  const { store } = makeStore();
  let changes = 0;
  store.changed.connect(() => (changes += 1));
  const changed = new Promise<void>(resolve => store.changed.connect(() => resolve()));
  for (let count = 0; count < 19_200; count += 1) {
    store.handleEvent({ type: 'progress', request_id: `r${count}`, step: 'connecting' });
  }
  assert.equal(changes, 0);
  await changed;
  assert.equal(changes, 1);
  assert.equal(store.step('r0'), undefined);
  assert.equal(store.step('r18943'), undefined);
  assert.equal(store.step('r18944')?.step, 'connecting');
});

test('environments that change while they are read are read once more', async () => {
  const { client, store } = makeStore();
  client.connections = [connection()];
  await store.refresh();
  const reading = store.readEnvironments('conn_1');
  client.environments = [{ name: 'torch' } as Environment];
  for (let count = 0; count < 20; count += 1) {
    store.handleEvent({ type: 'environments', connection_id: 'conn_1' });
  }
  await reading;
  assert.equal(client.environmentReadings, 2);
  assert.equal(store.environments('conn_1').list?.length, 1);
});

test('environments are read once they were asked for, again by an event, and forgotten at the end', async () => {
  const { client, store } = makeStore();
  client.connections = [connection()];
  await store.refresh();
  store.handleEvent({ type: 'environments', connection_id: 'conn_1' });
  assert.equal(store.environments('conn_1').list, null);
  client.environments = [{ name: 'torch' } as Environment];
  await store.readEnvironments('conn_1');
  assert.equal(store.environments('conn_1').list?.length, 1);
  assert.deepEqual(store.environments('conn_1').notes, ['slow']);
  assert.deepEqual(store.environments('conn_1').candidates, ['/data']);
  await store.readEnvironments('conn_1', true);
  assert.equal(client.detections, 1);
  client.failing = new Error('lost');
  await store.readEnvironments('conn_1');
  assert.equal(store.environments('conn_1').error, client.failing);
  assert.equal(store.environments('conn_1').list?.length, 1);
  client.failing = null;
  client.connections = [];
  store.handleEvent({ type: 'closed', connection_id: 'conn_1' });
  await store.refresh();
  assert.equal(store.environments('conn_1').list, null);
});

test('missing suggestions do not hide the others', async () => {
  const { store } = makeStore();
  await store.readSuggestions();
  assert.deepEqual(store.profiles, []);
});

test('a coordinate finds the connection that holds its viewer, else one to its host', async () => {
  const { client, store } = makeStore();
  client.connections = [
    connection({ connection_id: 'a' }),
    connection({ connection_id: 'b', viewer: viewer() }),
    connection({ connection_id: 'c', status: 'disconnected', username: 'root' })
  ];
  await store.refresh();
  const at = locationOf(client.connections[1]!);
  assert.equal(store.find(at)?.connection_id, 'b');
  assert.equal(store.find({ ...at, env_name: 'other' })?.connection_id, 'a');
  assert.equal(store.find({ host: 'gpu1' })?.connection_id, 'b');
  assert.equal(store.find({ host: 'gpu1', username: 'root' }), undefined);
  assert.equal(store.find({ host: 'gpu9' }), undefined);
});

test('coordinates hold no secret, survive JSON, and refuse what is none', () => {
  const at = locationOf(connection({ viewer: viewer() }));
  assert.deepEqual(Object.keys(at).sort(), ['env_name', 'host', 'port', 'remote_root', 'username']);
  assert.deepEqual(parseLocation(JSON.parse(JSON.stringify({ ...at, version: 1 }))), at);
  assert.equal(parseLocation({ host: 5 }), null);
  assert.equal(parseLocation('gpu1'), null);
  assert.notEqual(locationKey(at), locationKey({ ...at, env_name: 'a|b' }));
});

test('a viewer’s tab shows what the state says', async () => {
  const { client, store } = makeStore();
  const at = { host: 'gpu1', username: 'mia', env_name: 'torch', remote_root: '/data/runs' };
  const kindFor = async (...connections: ConnectionInfo[]): Promise<string> => {
    client.connections = connections;
    await store.refresh();
    return viewOf(store, at).kind;
  };
  assert.equal(viewOf(store, at).kind, 'waiting');
  assert.equal(await kindFor(), 'absent');
  assert.equal(await kindFor(connection({ status: 'connecting' })), 'connecting');
  assert.equal(await kindFor(connection()), 'idle');
  assert.equal(await kindFor(connection({ viewer: viewer({ env_name: 'x' }) })), 'idle');
  assert.equal(
    await kindFor(connection({ viewer: viewer({ status: 'starting', url: null }) })),
    'starting'
  );
  assert.equal(await kindFor(connection({ viewer: viewer() })), 'running');
  assert.equal(
    await kindFor(connection({ status: 'reconnecting', viewer: viewer() })),
    'reconnecting'
  );
  assert.equal(
    await kindFor(connection({ viewer: viewer({ status: 'reconnecting' }) })),
    'reconnecting'
  );
  assert.equal(await kindFor(connection({ viewer: viewer({ status: 'crashed' }) })), 'crashed');
  const hung = { status: 'running', health: 'unresponsive' } as const;
  assert.equal(await kindFor(connection({ viewer: viewer(hung) })), 'unresponsive');
  assert.equal(await kindFor(connection({ status: 'disconnected', viewer: viewer() })), 'absent');
  assert.equal(holdsViewer(connection({ viewer: viewer({ status: 'stopped' }) }), at), false);
});
