/** The layers of src/: imports point downwards only, and no files import each other in a circle. */

/** From the lowest to the highest; what stands in one line must not import each other. */
const LAYERS = [
  ['ids'],
  ['api'],
  ['state'],
  ['ui'],
  ['curves'],
  ['panel', 'viewer', 'runs', 'machines', 'widget'],
  ['commands', 'notebookOutput', 'curvesOutput'],
  ['index']
];

const pathOf = name => `^src/${name}[./]`;

export default {
  forbidden: [
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphan',
      severity: 'error',
      from: {
        path: '^src',
        pathNot: '^src/(index\\.ts|widget/index\\.tsx|.*\\.d\\.ts)$',
        orphan: true
      },
      to: {}
    },
    ...LAYERS.flatMap((layer, height) =>
      layer.map(name => ({
        name: `${name}-imports-downwards`,
        severity: 'error',
        from: { path: pathOf(name) },
        to: {
          path: '^src/',
          pathNot: [name, ...LAYERS.slice(0, height).flat()].map(pathOf)
        }
      }))
    )
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.test.json' },
    // Types too: a circle of types is one as well.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' }
  }
};
