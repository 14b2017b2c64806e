import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { TranslationBundle } from '@jupyterlab/translation';
import ts from 'typescript';

import { RunicornError } from '../../api/client.js';
import { Dates } from '../../ui/dates.js';
import { matching, suggestionsOf } from '../../panel/suggestions.js';
import { english } from '../support/english.js';
import { DEFAULT_SETTINGS, translateSchema } from '../../state/settings.js';
import { plainText } from '../../ui/plain.js';
import {
  errorMessage,
  importedMessage,
  latencyLabel,
  pipCommand,
  runsProblemMessage,
  stepLabel
} from '../../ui/messages.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const trans = english;
const schema = JSON.parse(readFileSync(join(ROOT, 'schema', 'plugin.json'), 'utf8'));
const catalog: Record<string, string[]> = JSON.parse(
  readFileSync(
    join(ROOT, '../runicorn_jupyter/locale/zh_CN/LC_MESSAGES/runicorn_jupyter.json'),
    'utf8'
  )
);
/** What Lab puts between a context and its string. */
const CONTEXT_END = '\u0004';

/** The codes of the API, as its Python side has them. */
function codes(): string[] {
  const text = readFileSync(join(ROOT, '../runicorn_jupyter/errors.py'), 'utf8');
  return [...text.matchAll(/code(?:: ClassVar\[str\])? = "(\w+)"/g)].map(match => match[1]!);
}

function sources(folder: string): string[] {
  return readdirSync(folder)
    .filter(name => name !== '__tests__')
    .map(name => join(folder, name))
    .flatMap(path =>
      statSync(path).isDirectory() ? sources(path) : /\.tsx?$/.test(path) ? [path] : []
    );
}

/** The strings of a source that go through the translation, as the catalog's keys. */
function stringsOf(path: string): { keys: string[]; plurals: string[]; unreadable: string[] } {
  const source = ts.createSourceFile(
    path,
    readFileSync(path, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
    path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS
  );
  const keys: string[] = [];
  const plurals: string[] = [];
  const unreadable: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      ts.isCallExpression(node) &&
      ts.isPropertyAccessExpression(node.expression) &&
      ['__', '_n', '_p', 'gettext'].includes(node.expression.name.text)
    ) {
      const texts = node.arguments
        .slice(0, node.expression.name.text === '_p' ? 2 : 1)
        .map(argument => (ts.isStringLiteralLike(argument) ? argument.text : null));
      if (texts.includes(null)) {
        unreadable.push(node.getText());
      } else {
        keys.push(texts.join(CONTEXT_END));
        if (node.expression.name.text === '_n') {
          plurals.push(texts.join(CONTEXT_END));
        }
      }
    }
    node.forEachChild(visit);
  };
  visit(source);
  return { keys, plurals, unreadable };
}

function schemaStrings(): string[] {
  const found: string[] = [];
  translateSchema(schema, {
    _p: (context: string, text: string) => {
      found.push(`${context}${CONTEXT_END}${text}`);
      return text;
    }
  } as unknown as TranslationBundle);
  return found;
}

test('every string has a translation, and every translation its string', () => {
  const found = sources(join(ROOT, 'src')).map(path => stringsOf(path));
  // The only one whose text is no literal: it translates the schema, which is read here instead.
  assert.deepEqual(
    found.flatMap(item => item.unreadable),
    ["trans._p('schema', value)"]
  );
  const wanted = new Set([...found.flatMap(item => item.keys), ...schemaStrings()]);
  assert.ok(wanted.size > 100, 'the sources were not found');
  const has = new Set(Object.keys(catalog).filter(key => key !== ''));
  assert.deepEqual(
    [...wanted].filter(key => !has.has(key)),
    [],
    'strings without a translation'
  );
  assert.deepEqual(
    [...has].filter(key => !wanted.has(key)),
    [],
    'translations that nothing uses'
  );
});

test('the catalog has the form that Lab reads', () => {
  const head = catalog[''] as unknown as Record<string, string>;
  assert.equal(head.domain, 'runicorn_jupyter');
  assert.equal(head.language, 'zh-CN');
  assert.equal(head.plural_forms, 'nplurals=1; plural=0;');
  // Lab takes a list of one for a text without a plural, and finds a plural only in a longer one.
  const plurals = new Set(sources(join(ROOT, 'src')).flatMap(path => stringsOf(path).plurals));
  for (const [key, forms] of Object.entries(catalog)) {
    assert.ok(key === '' || forms.length === (plurals.has(key) ? 2 : 1), key);
  }
});

test('translations are Chinese and keep the placeholders', () => {
  const places = (text: string): string[] => [...new Set(text.match(/%\d/g) ?? [])].sort();
  const proper = new Set(['Runicorn', '%1 ms', 'Runicorn %1, Python %2']);
  for (const [key, forms] of Object.entries(catalog)) {
    if (key === '') {
      continue;
    }
    const translation = forms[0]!;
    const text = key.split(CONTEXT_END).at(-1)!;
    assert.deepEqual(places(translation), places(text), text);
    assert.ok(proper.has(text) || /\p{Script=Han}/u.test(translation), text);
  }
});

test('the settings that the code assumes are the schema’s', () => {
  const defaults = Object.fromEntries(
    Object.entries(schema.properties as Record<string, { default: unknown }>).map(
      ([name, property]) => [name, property.default]
    )
  );
  assert.deepEqual(defaults, DEFAULT_SETTINGS);
});

test('each code of the API has words of its own with a way forward', () => {
  const all = [...codes(), 'server_unreachable', 'unexpected_response'];
  assert.ok(all.length > 18);
  const titles = new Map<string, string>();
  for (const code of new Set(all)) {
    const words = errorMessage(trans, new RunicornError(code, 'The server’s sentence.'));
    assert.ok(words.title && (words.hint || words.detail), code);
    assert.equal(titles.get(words.title), undefined, `${code} and ${titles.get(words.title)}`);
    titles.set(words.title, code);
  }
  assert.equal(
    errorMessage(trans, new RunicornError('brand_new', 'x')).title,
    errorMessage(trans, new RunicornError('internal_error', 'x')).title
  );
});

test('one sentence is enough, and somebody who reads no English gets ours', () => {
  const reason = new RunicornError('ssh_unavailable', 'The host name "gpu" could not be resolved.');
  const english = errorMessage(trans, reason);
  assert.deepEqual([english.hint, english.detail], ['', reason.message]);
  const other = { ...trans, __: (text: string) => `=${text}` };
  assert.match(errorMessage(other, reason).hint, /^=Check the host name/);
});

test('each problem of a server’s runs has words of its own', () => {
  const folder = join(ROOT, '../runicorn_jupyter');
  const text = readdirSync(folder, { encoding: 'utf8', recursive: true })
    .filter(name => name.endsWith('.py'))
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const problems = new Set([...text.matchAll(/_problem\(\s*"(\w+)"/g)].map(match => match[1]!));
  assert.ok(problems.has('viewer_answer_invalid') && problems.has('viewer_not_responding'));
  const sentences = [...problems].map(code => runsProblemMessage(trans, code, '10:00'));
  assert.equal(new Set(sentences).size, problems.size, sentences.join('\n'));
  assert.equal(runsProblemMessage(trans, 'brand_new', null), 'does not answer.');
});

test('what was saved of the SSH configuration, and what was not', () => {
  assert.equal(importedMessage(trans, 1, []), '1 connection was saved.');
  assert.match(
    importedMessage(trans, 2, ['a', 'b']),
    /^2 connections were saved\. Not saved: a, b;/
  );
});

test('what could mislead in the text of a stranger is made visible', () => {
  assert.equal(plainText('gpu1 训练 é'), 'gpu1 训练 é');
  assert.equal(plainText('a\u202eb\nc\u200b\u2028'), 'a\\u{202e}b\\u{a}c\\u{200b}\\u{2028}');
});

test('dates are written as JupyterLab’s language has them', () => {
  const day = '2026-11-24T15:04:05Z';
  const written = (language: string, preferred: string[] = []): string =>
    new Dates(language, preferred).day(day);
  assert.match(written('zh_CN', ['de-DE', 'en']), /^2026年11月2\d日/);
  assert.match(written('en', ['de-DE']), /^Nov 2\d, 2026/);
  assert.match(written('en', ['de-DE', 'en-GB']), /^2\d Nov 2026/);
  assert.match(written('sr_Latn_RS'), /2026/);
  assert.equal(new Dates('en', []).day(null), '');
  assert.match(new Dates('de', []).begin(day, new Date(day)), /^\d\d:\d\d$/);
  assert.match(new Dates('en', []).begin(day, new Date('2026-12-01T00:00:00Z')), /^Nov 2\d, 2026/);
  assert.equal(new Dates('en', []).begin(null), '');
  assert.match(new Dates('de', []).clock(new Date(day)), /^\d\d:\d\d:05$/);
});

test('a password is offered only where the server takes one', () => {
  const remedies = (allowed_methods?: string[]): string[] =>
    errorMessage(
      trans,
      new RunicornError('authentication_failed', '', { details: { allowed_methods } })
    ).remedies;
  assert.deepEqual(remedies(['publickey']), []);
  assert.deepEqual(remedies(['publickey', 'password']), ['password']);
  assert.deepEqual(remedies(['keyboard-interactive']), ['password']);
  assert.deepEqual(remedies(), ['password']);
});

test('steps, times and commands in words', () => {
  assert.equal(stepLabel(trans, { step: 'jump host gate', message: '' }), 'Going through gate…');
  assert.equal(stepLabel(trans, { step: 'brand new', message: 'Doing it' }), 'Doing it');
  assert.equal(stepLabel(trans, { step: 'brand new', message: '' }), 'Working…');
  assert.equal(latencyLabel(trans, 1.234), '1.2 ms');
  assert.equal(latencyLabel(trans, 123.4), '123 ms');
  assert.equal(pipCommand('/opt/py/bin/python'), '/opt/py/bin/python -m pip install runicorn');
  assert.equal(pipCommand("/a b/it's"), `'/a b/it'\\''s' -m pip install runicorn`);
});

const plain = { port: 22, proxy_jump: null, identity_file: null };

test('suggestions: saved ones first, then what begins with what was typed', () => {
  const all = suggestionsOf(
    [
      {
        name: 'My GPU',
        host: 'gpu9',
        username: 'mia',
        port: 2222,
        auth_method: 'key',
        private_key_path: null,
        timeout: 30,
        env_name: null,
        remote_root: null
      }
    ],
    [
      { alias: 'big-gpu', hostname: '10.0.0.1', username: 'root', ...plain },
      { alias: 'gpu1', hostname: 'gpu1.example.org', username: 'mia', ...plain }
    ]
  );
  assert.deepEqual(
    all.map(item => item.where),
    ['mia@gpu9:2222', 'root@10.0.0.1', 'mia@gpu1.example.org']
  );
  assert.deepEqual(
    matching(all, 'GPU').map(item => item.name),
    ['gpu1', 'My GPU', 'big-gpu']
  );
  assert.deepEqual(
    matching(all, '10.0').map(item => item.name),
    ['big-gpu']
  );
  assert.deepEqual(matching(all, 'nowhere'), []);
});
