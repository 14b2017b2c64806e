/** Lab's translation without a language; its own runs in a browser only. */

import type { TranslationBundle } from '@jupyterlab/translation';

const fill = (text: string, values: unknown[]): string =>
  text.replace(/%(\d)/g, (_, place: string) => String(values[Number(place) - 1]));

/** Gives each text as it is, with its places filled. */
export const english = {
  __: (text: string, ...values: unknown[]) => fill(text, values),
  _n: (one: string, many: string, count: number, ...values: unknown[]) =>
    fill(count === 1 ? one : many, [count, ...values]),
  _p: (_: string, text: string, ...values: unknown[]) => fill(text, values)
} as unknown as TranslationBundle;
