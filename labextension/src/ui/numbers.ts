/** Numbers as people read them off tables and charts; what is exported has them in full. */

import type { ParamValue } from '../api/client.js';

/** As many digits as tell runs apart. */
const DIGITS = 5;
/** As many digits as people write; what a fraction's binary form adds comes after them. */
export const WRITTEN_DIGITS = 12;

/** Numbers that are none in JSON come as words. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['Infinity', '∞'],
  ['-Infinity', '−∞']
]);

/**
 * Shorten a number to its first digits, a whole one never; other values are written as they are.
 *
 * @param digits - How many; all before the point stay.
 * @returns '' where there is no value.
 */
export function formatNumber(value: ParamValue | undefined, digits = DIGITS): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    const text = String(value ?? '');
    return WORDS.get(text) ?? text;
  }
  const size = Math.abs(value);
  if (size > Number.MAX_SAFE_INTEGER) {
    // Written out, it would have digits that nobody gave it.
    return value.toExponential(digits - 1).replace(/\.?0+e/, 'e');
  }
  return String(size < 10 ** digits ? Number(value.toPrecision(digits)) : Math.round(value));
}
