/** Texts in the person's language, for pages that have no translations of ours. */

import type { TranslationBundle } from '@jupyterlab/translation';

/** English texts with their Chinese ones: those that the charts have, put in when the widget is built. */
declare const RUNICORN_CHINESE: Readonly<Record<string, string>>;

/** Return the page's language, as `en` or `zh-CN`. */
export function languageOf(page: Document, browser: Pick<Navigator, 'language'>): string {
  const { lang } = page.documentElement;
  // Most pages say English whatever they are in.
  return lang && !lang.startsWith('en') ? lang : browser.language;
}

/** Return the texts of a language. */
export function wordsOf(language: string): TranslationBundle {
  const chinese = language.toLowerCase().startsWith('zh') ? RUNICORN_CHINESE : {};
  const say = (text: string, values: ReadonlyArray<string | number>): string =>
    text.replace(/%(\d)/g, (all, number: string) => String(values[Number(number) - 1] ?? all));
  const words: Pick<TranslationBundle, '__' | '_n'> = {
    __: (text, ...values) => say(chinese[text] ?? text, values as string[]),
    _n: (one, many, count, ...values) =>
      say(chinese[one] ?? (count === 1 ? one : many), [count, ...(values as string[])])
  };
  // The charts use no more of it.
  return words as TranslationBundle;
}
