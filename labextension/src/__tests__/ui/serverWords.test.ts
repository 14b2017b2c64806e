import assert from 'node:assert/strict';
import test from 'node:test';

import { linkParts } from '../../ui/ServerWords.js';

function links(text: string): string[] {
  const parts = linkParts(text);
  assert.equal(parts.map(part => part.text).join(''), text);
  return parts.filter(part => part.isLink).map(part => part.text);
}

test('links end where their address ends, and all else stays as it is', () => {
  assert.deepEqual(
    links('# To log in, visit: https://login.example/a/1?b=c#d.\nThen (http://x.example).'),
    ['https://login.example/a/1?b=c#d', 'http://x.example']
  );
  assert.deepEqual(links('"https://a.example/" <https://b.example/>'), [
    'https://a.example/',
    'https://b.example/'
  ]);
});

test('what could mislead, or is no page, is no link', () => {
  for (const text of [
    'javascript:alert(1)',
    'data:text/html,x',
    'ftp://a.example/',
    'https://login.example@evil.example/',
    'https://login.example:pw@evil.example/',
    'https://',
    ''
  ]) {
    assert.deepEqual(links(text), [], text);
  }
});
