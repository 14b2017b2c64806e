import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { RunicornRemoteClient, type HostKey, type Prompt } from '../../api/client.js';
import { Declined, ConnectFlow, type ConnectQuestions } from '../../state/connectFlow.js';
import { RemoteStore } from '../../state/store.js';
import { failure, ScriptedServer, type Answer } from '../support/server.js';

const server = new ScriptedServer();
const KEY = { host: 'gpu1', port: 22, fingerprint_sha256: 'SHA256:x', public_key: 'ssh-ed25519 A' };
const UNKNOWN = failure(409, 'host_key_unknown', { host_key: KEY });
const connected: [number, object] = [200, { success: true, connection_id: 'conn_1' }];

/** A person with prepared answers. */
class Person implements ConnectQuestions {
  trusts = true;
  replaces = true;
  answers: string[] | null = ['secret'];
  asked: string[] = [];

  async trustHostKey(key: HostKey): Promise<boolean> {
    this.asked.push(key.fingerprint_sha256);
    return this.trusts;
  }

  async answer(host: string, _: string, prompts: Prompt[]): Promise<string[] | null> {
    this.asked.push(`${host}: ${prompts.map(prompt => prompt.text).join()}`);
    return this.answers;
  }

  async replaceViewer(): Promise<boolean> {
    this.asked.push('replace');
    return this.replaces;
  }
}

let person: Person;
let store: RemoteStore;
let flow: ConnectFlow;

before(() => server.start());
after(() => server.stop());
beforeEach(() => {
  server.asked.length = 0;
  server.answers.clear();
  server.answer('GET connections', [200, { success: true, connections: [], total: 0 }]);
  const client = new RunicornRemoteClient(server.url);
  person = new Person();
  store = new RemoteStore(client);
  flow = new ConnectFlow(client, store, person);
});

const routes = (): string[] => server.asked.map(asked => `${asked.method} ${asked.path}`);
const challenge = (id: string): Answer =>
  failure(401, 'authentication_required', {
    challenge_id: id,
    instruction: '',
    prompts: [{ text: 'Code: ', echo: false }]
  });

test('an unknown host key is asked about, accepted exactly as offered, and connecting goes on', async () => {
  server.answer('POST connect', UNKNOWN, connected);
  server.answer('POST known-hosts', [200, { success: true, message: '' }]);
  const result = await flow.connect({ host: 'gpu1' });
  assert.equal(result.connection_id, 'conn_1');
  assert.deepEqual(person.asked, ['SHA256:x']);
  assert.deepEqual(routes(), [
    'POST connect',
    'POST known-hosts',
    'POST connect',
    'GET connections'
  ]);
  assert.equal(flow.attempts.length, 0);
});

test('who does not trust the key is not connected, and nothing is accepted', async () => {
  person.trusts = false;
  server.answer('POST connect', UNKNOWN);
  await assert.rejects(flow.connect({ host: 'gpu1' }), Declined);
  assert.deepEqual(routes(), ['POST connect']);
});

test('rounds of questions are answered one after the other', async () => {
  server.answer('POST connect', challenge('c1'));
  server.answer('POST connect/c1', challenge('c2'));
  server.answer('POST connect/c2', connected);
  const states: boolean[] = [];
  flow.attemptsChanged.connect(() => states.push(...flow.attempts.map(attempt => attempt.asking)));
  await flow.connect({ host: 'gpu1' });
  assert.deepEqual(person.asked, ['gpu1: Code: ', 'gpu1: Code: ']);
  assert.deepEqual(states, [false, true, false, true, false]);
  assert.deepEqual(server.asked[1]!.body, { responses: ['secret'] });
});

test('a declined question is dropped at the server', async () => {
  person.answers = null;
  server.answer('POST connect', challenge('c1'));
  server.answer('DELETE connect/c1', failure(404, 'not_found'));
  await assert.rejects(flow.connect({ host: 'gpu1' }), Declined);
  assert.deepEqual(routes(), ['POST connect', 'DELETE connect/c1']);
});

test('a refusal is passed on, and a cancelled attempt is no error', async () => {
  server.answer('POST connect', failure(401, 'authentication_failed'));
  await assert.rejects(flow.connect({ host: 'gpu1' }), { code: 'authentication_failed' });
  const attempt = flow.connect({ host: 'gpu1' });
  flow.attempts[0]!.cancel();
  await assert.rejects(attempt, Declined);
  assert.equal(flow.attempts.length, 0);
});

const VIEWER = { status: 'running', env_name: 'torch', remote_root: '/runs', url: 'u' };

function connectionWith(viewer: object | null): [number, object] {
  const connection = {
    connection_id: 'conn_1',
    host: 'gpu1',
    port: 22,
    username: 'mia',
    status: 'reconnecting',
    viewer
  };
  return [200, { success: true, connections: [connection], total: 1 }];
}

test('the viewer that is wanted and runs is used as it is', async () => {
  server.answer('GET connections', connectionWith(VIEWER));
  await store.refresh();
  const viewer = await flow.startViewer('conn_1', 'torch', { remoteRoot: '/runs' });
  assert.equal(viewer.url, 'u');
  assert.deepEqual(person.asked, []);
  assert.ok(!routes().includes('POST viewer/start'));
});

test('the viewer that another page has started meanwhile is used as it is', async () => {
  server.answer('GET connections', connectionWith(null), connectionWith(VIEWER));
  await store.refresh();
  server.answer('POST viewer/start', failure(409, 'viewer_already_running', { viewer: VIEWER }));
  const viewer = await flow.startViewer('conn_1', 'torch', { remoteRoot: '/runs' });
  assert.equal(viewer.url, 'u');
  assert.deepEqual(person.asked, []);
  assert.ok(!routes().includes('POST viewer/stop'));
});

test('another viewer is replaced only if the person agrees', async () => {
  server.answer('GET connections', connectionWith(VIEWER));
  await store.refresh();
  person.replaces = false;
  await assert.rejects(flow.startViewer('conn_1', 'other'), Declined);
  person.replaces = true;
  assert.ok(!routes().some(route => route.startsWith('POST')));
  server.answer('POST viewer/start', [200, { success: true, viewer: { url: 'new' } }]);
  server.answer('POST viewer/stop', [200, { success: true, message: '' }]);
  assert.equal((await flow.startViewer('conn_1', 'other')).url, 'new');
  assert.deepEqual(person.asked, ['replace', 'replace']);
});

test('a viewer that does not answer is opened as it is, and restarted in its place', async () => {
  const hung = { ...VIEWER, health: 'unresponsive' };
  server.answer('GET connections', connectionWith(hung));
  await store.refresh();
  assert.equal((await flow.startViewer('conn_1', 'torch')).url, 'u');
  assert.ok(!routes().some(route => route.startsWith('POST')));
  server.answer('POST viewer/start', [200, { success: true, viewer: VIEWER }]);
  await flow.restartViewer('conn_1');
  const { body } = server.asked.find(asked => asked.path === 'viewer/start')!;
  assert.deepEqual(body, {
    connection_id: 'conn_1',
    env_name: 'torch',
    remote_root: '/runs',
    auto_open: false,
    replace: true
  });
});

test('a crashed viewer is started again without a question', async () => {
  const crashed = { ...VIEWER, status: 'crashed' };
  server.answer('GET connections', connectionWith(crashed));
  await store.refresh();
  server.answer('POST viewer/start', [200, { success: true, viewer: { url: 'new' } }]);
  server.answer('POST viewer/stop', [200, { success: true, message: '' }]);
  assert.equal((await flow.startViewer('conn_1', 'torch')).url, 'new');
  assert.deepEqual(person.asked, []);
});

test('a connection that asks while it is re-established is answered', async () => {
  server.answer('GET connections', connectionWith(null));
  await store.refresh();
  server.answer('GET connect/c9', [
    200,
    { success: true, challenge_id: 'c9', instruction: '', prompts: [{ text: 'Code', echo: true }] }
  ]);
  server.answer('POST connect/c9', connected);
  store.handleEvent({ type: 'challenge', challenge_id: 'c8' });
  store.handleEvent({
    type: 'challenge',
    challenge_id: 'c9',
    connection_id: 'conn_1',
    request_id: 'r'
  });
  store.handleEvent({ type: 'challenge', challenge_id: 'c9', connection_id: 'conn_1' });
  await server.until('POST connect/c9');
  assert.deepEqual(person.asked, ['gpu1: Code']);
  assert.deepEqual(routes(), ['GET connections', 'GET connect/c9', 'POST connect/c9']);
});
