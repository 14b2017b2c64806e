import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import DefaultExport, { RunicornError, RunicornRemoteClient } from '../../api/client.js';
import { failure, ScriptedServer } from '../support/server.js';

const server = new ScriptedServer();
let client: RunicornRemoteClient;

before(() => server.start());
after(() => server.stop());
beforeEach(() => {
  server.asked.length = 0;
  server.answers.clear();
  client = new RunicornRemoteClient(server.url, { token: 'sesame' });
});

const ok = (body: object = {}): [number, object] => [200, { success: true, ...body }];

test('the class is the default export and begins with upstream’s port', () => {
  assert.equal(DefaultExport, RunicornRemoteClient);
  assert.equal(new DefaultExport().baseUrl, 'http://localhost:23300');
  assert.equal(new DefaultExport('http://h/user/me//').baseUrl, 'http://h/user/me');
});

test('connect sends what the seed’s class sends', async () => {
  server.answer('POST connect', ok({ connection_id: 'conn_00000001' }));
  const result = await client.connect({
    host: 'gpu1',
    username: 'mia',
    privateKeyPath: '~/.ssh/id_rsa',
    keyPassphrase: 'open',
    password: 'not for keys',
    timeout: 60,
    requestId: 'abc-1'
  });
  assert.equal(result.connection_id, 'conn_00000001');
  const asked = server.asked[0]!;
  assert.deepEqual(asked.body, {
    host: 'gpu1',
    port: 22,
    username: 'mia',
    auth_method: 'key',
    private_key_path: '~/.ssh/id_rsa',
    key_passphrase: 'open',
    timeout: 60
  });
  assert.equal(asked.headers.authorization, 'token sesame');
  assert.equal(asked.headers['content-type'], 'application/json');
  assert.equal(asked.headers['x-request-id'], 'abc-1');
  assert.equal(asked.headers['x-xsrftoken'], undefined);
});

test('a password is sent for password authentication only, and needed there', async () => {
  server.answer('POST connect', ok());
  await client.connect({ host: 'h', username: 'u', authMethod: 'password', password: 'p' });
  assert.equal((server.asked[0]!.body as { password: string }).password, 'p');
  await assert.rejects(client.connect({ host: 'h', username: 'u', authMethod: 'password' }), {
    message: 'Password required'
  });
});

test('each method asks its route and gives the seed’s result', async () => {
  server.answer('GET connections', ok({ connections: [{ connection_id: 'c' }], total: 1 }));
  server.answer('DELETE connections/c%2F1', ok({ message: 'm', connection_id: 'c/1' }));
  server.answer('GET environments', ok({ environments: [{ name: 'torch' }], total: 1 }));
  server.answer('POST environments/detect', ok({ environments_found: 2 }));
  server.answer('GET config', ok({ config: { viewer_port: 23300 } }));
  server.answer('POST viewer/start', ok({ viewer: { url: 'u' } }));
  server.answer('POST viewer/stop', ok({ message: 'm' }));
  server.answer('GET viewer/status', ok({ viewer: { status: 'running' } }));
  server.answer('GET viewer/logs', ok({ logs: ['a', 'b'], total_lines: 2 }));
  server.answer('GET health', ok({ health: 'healthy' }));
  server.answer('GET ping', ok({ latency_ms: 1.5 }));
  server.answer('POST connect/f00', ok({ connection_id: 'c' }));

  assert.deepEqual(await client.listConnections(), [{ connection_id: 'c' }]);
  await client.disconnect('c/1', false);
  assert.deepEqual(server.asked.at(-1)!.query, { cleanup_viewer: 'false' });
  assert.deepEqual(await client.listEnvironments('c', 'runicorn_only'), [{ name: 'torch' }]);
  assert.deepEqual(server.asked.at(-1)!.query, { connection_id: 'c', filter: 'runicorn_only' });
  assert.equal((await client.detectEnvironments('c', true)).environments_found, 2);
  assert.deepEqual(server.asked.at(-1)!.body, { connection_id: 'c', force_refresh: true });
  assert.equal((await client.getRemoteConfig('c', 'torch')).config.viewer_port, 23300);
  assert.equal((await client.startViewer('c', 'torch')).viewer.url, 'u');
  assert.deepEqual(server.asked.at(-1)!.body, {
    connection_id: 'c',
    env_name: 'torch',
    auto_open: true
  });
  await client.startViewer('c', 'torch', { remoteRoot: '~/runs', autoOpen: false });
  assert.deepEqual(server.asked.at(-1)!.body, {
    connection_id: 'c',
    env_name: 'torch',
    auto_open: false,
    remote_root: '~/runs'
  });
  await client.stopViewer('c', false);
  assert.deepEqual(server.asked.at(-1)!.body, { connection_id: 'c', cleanup: false });
  assert.equal((await client.getViewerStatus('c')).viewer.status, 'running');
  assert.deepEqual(await client.getViewerLogs('c', 5), ['a', 'b']);
  assert.deepEqual(server.asked.at(-1)!.query, { connection_id: 'c', lines: '5' });
  assert.equal((await client.healthCheck('c')).health, 'healthy');
  assert.equal((await client.ping('c')).latency_ms, 1.5);
  assert.equal((await client.answerChallenge('f00', ['1'])).connection_id, 'c');
  assert.deepEqual(server.asked.at(-1)!.body, { responses: ['1'] });
});

test('profiles, hosts and host keys', async () => {
  server.answer('GET hosts', ok({ hosts: [{ alias: 'gpu1' }] }));
  server.answer('GET profiles', ok({ profiles: [{ name: 'Box', host: 'gpu1' }] }));
  server.answer('POST profiles', ok({ message: 'm' }));
  server.answer('DELETE profiles', ok({ message: 'm' }));
  server.answer('GET known-hosts', ok({ known_hosts: [] }));
  server.answer('POST known-hosts', ok({ message: 'm' }));
  server.answer('DELETE known-hosts', ok({ message: 'm' }));
  server.answer('DELETE connect/f00', ok({ message: 'm' }));
  assert.equal((await client.listHosts())[0]!.alias, 'gpu1');
  assert.equal((await client.listProfiles())[0]!.name, 'Box');
  await client.saveProfile({ name: 'Büro 1', host: 'gpu1' });
  await client.deleteProfile('Büro 1');
  assert.deepEqual(server.asked.at(-1)!.query, { name: 'Büro 1' });
  assert.deepEqual(await client.listKnownHosts(), []);
  const key = { host: 'h', port: 2222, public_key: 'ssh-ed25519 A', fingerprint_sha256: 'x' };
  await client.acceptKnownHost(key);
  assert.deepEqual(server.asked.at(-1)!.body, {
    host: 'h',
    port: 2222,
    public_key: 'ssh-ed25519 A'
  });
  await client.removeKnownHost('h', 2222);
  await client.dropChallenge('f00');
  assert.equal(server.asked.at(-1)!.method, 'DELETE');
});

test('runs are found, compared and grouped by what they were given', async () => {
  server.answer('GET runs', [200, { success: true, runs: [], servers: [], next_cursor: null }]);
  await client.listRuns({ where: 'lr>1', sort: '-lr' });
  assert.deepEqual(server.asked.at(-1)!.query, { where: 'lr>1', sort: '-lr', limit: '2000' });
  server.answer('POST runs/compare', [200, { success: true, same: 3 }]);
  const runs = [{ connection_id: 'c', run_id: 'a', name: 'x' }];
  assert.equal((await client.compareRuns(runs, { metrics: ['loss'] })).same, 3);
  assert.deepEqual(server.asked.at(-1)!.body, {
    runs: [{ connection_id: 'c', run_id: 'a' }],
    metrics: ['loss']
  });
  server.answer('GET runs/groups', [200, { success: true, groups: [] }]);
  await client.groupRuns(['lr', 'batch'], { metric: 'loss' });
  assert.deepEqual(server.asked.at(-1)!.query, { by: 'lr,batch', metric: 'loss' });
});

test('a failure carries code, message, details and status', async () => {
  server.answer('GET ping', failure(503, 'connection_lost', { seconds: 3 }));
  const error = await client.ping('c').then(
    () => assert.fail('it must fail'),
    (reason: unknown) => reason
  );
  assert.ok(error instanceof RunicornError);
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.code, error.message, error.details, error.status],
    ['connection_lost', 'It was connection_lost.', { seconds: 3 }, 503]
  );
});

test('an answer that is not of the API, and none at all, are told apart', async () => {
  server.answer('GET ping', [502, '<html>bad gateway</html>']);
  await assert.rejects(client.ping('c'), { code: 'unexpected_response', status: 502 });
  server.answer('GET ping', [200, '<html>log in</html>']);
  await assert.rejects(client.ping('c'), { code: 'unexpected_response', status: 200 });
  server.answers.clear();
  await assert.rejects(client.ping('c'), { code: 'server_unreachable', status: 0 });
});

test('what only reads is asked once more where no answer came', async () => {
  for (const [lost, method] of [
    [1, 'GET'],
    [2, 'GET'],
    [1, 'POST']
  ] as const) {
    const asked: string[] = [];
    const flaky = new RunicornRemoteClient(server.url, {
      fetch: async (_url, init) => {
        asked.push(init?.method ?? 'GET');
        if (asked.length <= lost) {
          throw new TypeError('Failed to fetch'); // as for ERR_NETWORK_CHANGED
        }
        return new Response(
          '{"success": true, "connections": [], "total": 0, "challenge_id": "x"}'
        );
      }
    });
    const done = method === 'GET' ? flaky.listConnections() : flaky.connect({ host: 'h' });
    if (lost === 1 && method === 'GET') {
      assert.deepEqual(await done, []);
    } else {
      await assert.rejects(done, { code: 'server_unreachable' });
    }
    assert.deepEqual(asked, method === 'GET' ? ['GET', 'GET'] : ['POST']);
  }
});

test('an aborted request rejects as fetch does', async () => {
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(client.connect({ host: 'h', signal: controller.signal }), {
    name: 'AbortError'
  });
});

test('in a page, the XSRF cookie goes to its own origin and to no other', async () => {
  const { origin } = new URL(server.url);
  const globals = globalThis as Record<string, unknown>;
  globals.document = { cookie: 'a=b; _xsrf=2|1234|abcd|5; c=d' };
  try {
    server.answer('POST viewer/stop', ok());
    globals.location = { origin, href: `${origin}/lab` };
    await client.stopViewer('c');
    assert.equal(server.asked.at(-1)!.headers['x-xsrftoken'], '2|1234|abcd|5');
    globals.location = { origin: 'https://elsewhere.example', href: 'https://elsewhere.example/' };
    await client.stopViewer('c');
    assert.equal(server.asked.at(-1)!.headers['x-xsrftoken'], undefined);
  } finally {
    delete globals.document;
    delete globals.location;
  }
});

test('a list waits for viewers that still take up their runs', async () => {
  const page = (version: string, complete: boolean, ...ids: string[]): [number, object] =>
    ok({
      runs: ids.map(run_id => ({ run_id })),
      next_cursor: null,
      version,
      servers: [{ connection_id: 'c', total: ids.length, complete, error: null }]
    });
  server.answer(
    'GET runs',
    page('v-1', false, 'a'),
    page('v-2', true),
    page('v-2', true, 'b', 'a')
  );
  const told: number[] = [];
  const runs = await client.listRuns({ text: 'x' }, undefined, {
    onProgress: servers => told.push(servers[0]!.total)
  });
  assert.deepEqual(
    runs.map(run => run.run_id),
    ['b', 'a']
  );
  assert.deepEqual(told, [1]);
  const [first, second, third] = server.asked.map(each => each.query);
  assert.deepEqual(first, { text: 'x', limit: '2000' });
  assert.deepEqual(third, first);
  assert.ok(Number(second!.wait) > 0 && Number(second!.wait) <= 30);
  assert.deepEqual(second, { changed_since: 'v-1', limit: '1', wait: second!.wait });

  server.asked.length = 0;
  server.answer('GET runs', page('v-1', false, 'a'));
  await client.listRuns({ connectionId: 'another' });
  await client.listRuns({}, undefined, { completeWithin: 0 });
  assert.equal(server.asked.length, 2);
});

test('setting up sends what was chosen, can be cancelled, and is taken away again', async () => {
  server.answer(
    'POST environments/create',
    ok({ created: true, environment: { name: 'runicorn' } })
  );
  server.answer('DELETE environments/create/r-1', ok());
  server.answer('POST environments/remove', ok({ bytes_freed: 1 }));
  const made = await client.createEnvironment('c', {
    python: '/usr/bin/python3',
    bringPython: true,
    requestId: 'r-1'
  });
  assert.equal(made.environment.name, 'runicorn');
  await client.cancelEnvironment('r-1');
  assert.equal((await client.removeEnvironment('c')).bytes_freed, 1);
  assert.deepEqual(
    server.asked.map(each => each.body),
    [
      { connection_id: 'c', python: '/usr/bin/python3', bring_python: true, wheels: 'auto' },
      null,
      { connection_id: 'c' }
    ]
  );
  assert.equal(server.asked[0]!.headers['x-request-id'], 'r-1');
});
