import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatNumber, WRITTEN_DIGITS } from '../../ui/numbers.js';

test('a number has the digits that tell it from others', () => {
  assert.equal(formatNumber(0.1 + 0.2), '0.3');
  assert.equal(formatNumber(0.11000000000000001), '0.11');
  assert.equal(formatNumber(0.123456789), '0.12346');
  assert.equal(formatNumber(-0.5), '-0.5');
  assert.equal(formatNumber(1e-7), '1e-7');
  assert.equal(formatNumber(1.23456789e-9), '1.2346e-9');
  assert.equal(formatNumber(99999.99), '100000');
  assert.equal(formatNumber(-0), '0');
});

test('no digit before the point is left out, and none is made up', () => {
  assert.equal(formatNumber(123456789), '123456789');
  assert.equal(formatNumber(123456.789), '123457');
  assert.equal(formatNumber(1234.5, 3), '1235');
  assert.equal(formatNumber(2 ** 53 - 1), '9007199254740991');
  assert.equal(formatNumber(2 ** 53), '9.0072e+15');
  assert.equal(formatNumber(-1e20), '-1e+20');
  assert.equal(formatNumber(1.5e300), '1.5e+300');
});

test('as many digits as people write leave out what the binary form adds', () => {
  assert.equal(formatNumber(0.1 + 0.2, WRITTEN_DIGITS), '0.3');
  assert.equal(formatNumber(0.123456789, WRITTEN_DIGITS), '0.123456789');
  assert.equal(formatNumber(1e-7, WRITTEN_DIGITS), '1e-7');
  assert.equal(formatNumber(123456789.125, WRITTEN_DIGITS), '123456789.125');
});

test('what is no finite number has its sign, and texts stay as they are', () => {
  assert.equal(formatNumber(NaN), 'NaN');
  assert.equal(formatNumber('NaN'), 'NaN');
  assert.equal(formatNumber(Infinity), '∞');
  assert.equal(formatNumber('-Infinity'), '−∞');
  assert.equal(formatNumber('adam-w 0.30000000000000004'), 'adam-w 0.30000000000000004');
  assert.equal(formatNumber('18446744073709551615'), '18446744073709551615');
  assert.equal(formatNumber(true), 'true');
  assert.equal(formatNumber(null), '');
  assert.equal(formatNumber(undefined), '');
});
