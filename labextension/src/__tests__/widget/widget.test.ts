import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RunicornError } from '../../api/client.js';
import { KernelClient, type IModel } from '../../widget/kernelClient.js';
import { isForDark } from '../../widget/theme.js';
import { languageOf, wordsOf } from '../../widget/words.js';

type Sent = { id: string };

/** A model whose kernel answers when the test says so. */
class Model implements IModel {
  readonly sent: Sent[] = [];
  readonly listeners = new Set<(content: unknown) => void>();

  get(): unknown {
    return undefined;
  }

  on(_: string, listener: (content: unknown) => void): void {
    this.listeners.add(listener);
  }

  off(_: string, listener: (content: unknown) => void): void {
    this.listeners.delete(listener);
  }

  send(content: unknown): void {
    this.sent.push(content as Sent);
  }

  answer(content: object): void {
    this.listeners.forEach(listener => listener({ kind: 'answer', ...content }));
  }
}

const KEYS = [{ connection_id: 'conn_1', run_id: 'a', since_step: null, version: null }];

test('each answer of the kernel goes to its question', async () => {
  const model = new Model();
  const client = new KernelClient(model);
  const [first, second] = [
    client.readCurves(KEYS, ['loss'], { points: 9 }),
    client.readCurves(KEYS, [])
  ];
  assert.deepEqual(model.sent[0], {
    ...{ kind: 'read', id: model.sent[0]?.id, runs: KEYS },
    ...{ names: ['loss'], points: 9 }
  });
  model.answer({ id: 'of another view', answer: {} });
  model.answer({ id: model.sent[1]!.id, error: { code: 'connection_lost', message: 'Down.' } });
  model.answer({ id: model.sent[0].id, answer: { success: true, runs: [] } });
  await assert.rejects(
    second,
    reason => reason instanceof RunicornError && reason.code === 'connection_lost'
  );
  assert.deepEqual(await first, { success: true, runs: [] });
  client.dispose();
  assert.equal(model.listeners.size, 0);
});

test('a question that is given up is over', async () => {
  const model = new Model();
  const abort = new AbortController();
  const asked = new KernelClient(model).readCurves(KEYS, [], { signal: abort.signal });
  abort.abort();
  await assert.rejects(asked, { name: 'AbortError' });
});

test('texts are in the language of the page, else of the browser', () => {
  const page = (lang: string): Document => ({ documentElement: { lang } }) as Document;
  assert.equal(languageOf(page('zh-CN'), { language: 'en' }), 'zh-CN');
  assert.equal(languageOf(page('en'), { language: 'zh-CN' }), 'zh-CN');
  assert.equal(languageOf(page(''), { language: 'de' }), 'de');
  Object.assign(globalThis, { RUNICORN_CHINESE: { Step: '步', '%2: %1 line': '%2：%1 条曲线' } });
  const chinese = wordsOf('zh-CN');
  assert.equal(chinese.__('Step'), '步');
  assert.equal(chinese._n('%2: %1 line', '%2: %1 lines', 2, 'loss'), 'loss：2 条曲线');
  const english = wordsOf('en');
  assert.equal(english._n('%2: %1 line', '%2: %1 lines', 2, 'loss'), 'loss: 2 lines');
  assert.equal(english._n('%2: %1 line', '%2: %1 lines', 1, 'loss'), 'loss: 1 line');
});

test('a page is dark where its text is light', () => {
  assert.ok(isForDark('rgb(221, 221, 221)'));
  assert.ok(!isForDark('rgba(0, 0, 0, 0.87)'));
});
