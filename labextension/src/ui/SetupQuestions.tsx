/** What a person is told before Runicorn is set up on a server, and whose runs are to be shown. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { SetupPlan, StorageRoot } from '../api/client.js';
import { plainText } from './plain.js';
import { Facts } from './shared.js';

/** The server counts no further. */
const MOST_RUNS = 1000;

/** What will be done, where, and how large it is. */
export function SetupText(props: { plan: SetupPlan; trans: TranslationBundle }): JSX.Element {
  const { plan, trans } = props;
  const { brings } = plan;
  const shown = (text: string): JSX.Element => <bdi className="rj-pre">{plainText(text)}</bdi>;
  return (
    <>
      <p>
        {trans.__(
          'This makes a Python environment with Runicorn on the server, for you alone. Nothing else there is changed, and “Remove” takes it away again.'
        )}
      </p>
      {brings && (
        <p>
          {brings.comes_from === 'remote'
            ? trans.__(
                'The server has no Python of at least 3.8: its uv downloads one into the same folder.'
              )
            : trans.__(
                'The server has no Python of at least 3.8: this Jupyter server downloads one with uv and sends it into the same folder.'
              )}
        </p>
      )}
      <Facts
        facts={[
          [trans.__('Folder'), shown(plan.folder)],
          [
            trans.__('Size'),
            trans.__('about %1 MB', String(plan.megabytes + (brings?.megabytes ?? 0)))
          ],
          [
            trans.__('Python'),
            brings
              ? trans.__('%1, of which about %2 MB', brings.version, String(brings.megabytes))
              : shown(plan.python_path ?? '?')
          ]
        ]}
      />
    </>
  );
}

/** A choice among storage roots; that with the most runs to begin with. */
export function Roots(props: {
  roots: readonly StorageRoot[];
  trans: TranslationBundle;
}): JSX.Element | null {
  const { roots, trans } = props;
  const name = React.useId();
  if (roots.length === 0) {
    return null;
  }
  const most = roots.reduce((best, root) => (root.runs > best.runs ? root : best));
  return (
    <fieldset className="rj-Roots">
      <legend>{trans.__('Show the runs of')}</legend>
      {roots.map(root => (
        <label key={root.path} className="rj-Root">
          <input
            type="radio"
            name={name}
            value={root.path}
            defaultChecked={root.path === most.path}
          />
          <bdi className="rj-pre">{plainText(root.path)}</bdi>
          <span className="rj-Quiet">
            {root.runs >= MOST_RUNS
              ? trans.__('1000 runs or more')
              : trans._n('%1 run', '%1 runs', root.runs)}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** The storage root that is chosen in a dialog; '' where there was no choice. */
export function chosenRoot(node: HTMLElement): string {
  return node.querySelector<HTMLInputElement>('.rj-Roots input:checked')?.value ?? '';
}
