/** Bundles the charts' widget: `curves.js` and `curves.css`, which the kernel gives to the page. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { rspack } from '@rspack/core';

const HERE = dirname(fileURLToPath(import.meta.url));
const at = path => join(HERE, path);
const OUT = at('../runicorn_jupyter/static/');
const CATALOGUE = at('../runicorn_jupyter/locale/zh_CN/LC_MESSAGES/runicorn_jupyter.json');
const STYLES = [
  'uplot/dist/uPlot.min.css',
  './style/parts.css',
  './style/curves.css',
  './style/widget.css'
];

const stats = await new Promise((resolve, reject) => {
  rspack(
    {
      mode: 'production',
      target: ['web', 'es2020'],
      context: at('.'),
      entry: './lib/widget/index.js',
      devtool: false,
      output: { path: OUT, filename: 'curves.js', module: true, library: { type: 'module' } },
      performance: false
    },
    (error, result) => (error ? reject(error) : resolve(result))
  );
});
if (stats.hasErrors()) {
  throw new Error(stats.toString('errors-only'));
}

// Of the translations, those whose English text the bundle has.
const bundle = readFileSync(`${OUT}curves.js`, 'utf8');
const chinese = Object.entries(JSON.parse(readFileSync(CATALOGUE, 'utf8')))
  .filter(([text]) => text && ['"', "'", '`'].some(quote => bundle.includes(quote + text + quote)))
  .map(([text, [translated]]) => [text, translated]);
const words = JSON.stringify(Object.fromEntries(chinese));
writeFileSync(
  `${OUT}curves.js`,
  bundle.replaceAll('RUNICORN_CHINESE', () => words)
);

const css = STYLES.map(path =>
  readFileSync(at(path.startsWith('.') ? path : `./node_modules/${path}`), 'utf8')
);
writeFileSync(`${OUT}curves.css`, css.join('\n'));

// The bundle has others' code in it, whose licences want to be passed on.
const names = [...stats.compilation.modules]
  .flatMap(module => [module, ...(module.modules ?? [])])
  .map(module => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module.identifier())?.[1]);
const licences = [...new Set(names)]
  .filter(Boolean)
  .sort()
  .map(name => {
    const folder = join(HERE, 'node_modules', name);
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
    const text = file ? readFileSync(join(folder, file), 'utf8') : '';
    return `${name} ${version}: ${license}\n\n${text}`;
  });
writeFileSync(`${OUT}curves.LICENSE.txt`, licences.join('\n\n'));
