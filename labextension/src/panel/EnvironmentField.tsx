/** Which environment: those with Runicorn to choose from, the others with how to change that. */

import { refreshIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import type { Environment } from '../api/client.js';
import type { IEnvironmentList } from '../state/store.js';
import { pipCommand } from '../ui/messages.js';
import { Field, IconButton, TextField } from '../ui/fields.js';
import { CommandLine } from '../ui/shared.js';

/** The environments that can show a viewer. */
export function usableOf(environments: IEnvironmentList): readonly Environment[] {
  return environments.list?.filter(item => item.runicorn_installed) ?? [];
}

/** Whether Runicorn can be set up on the server, and is not yet. */
export function canSetUp(environments: IEnvironmentList): boolean {
  const { setup, list } = environments;
  return !!(setup?.python_path ?? setup?.brings) && !list?.some(item => item.private);
}

/** What the list's last line is chosen by; no environment is called so. */
const SET_UP = '\0set-up';

/** The field. */
export function EnvironmentField(props: {
  environments: IEnvironmentList;
  value: string;
  disabled: boolean;
  trans: TranslationBundle;
  onChange: (name: string) => void;
  onDetect: () => void;
  onSetUp: () => void;
}): JSX.Element {
  const { environments, trans } = props;
  const usable = usableOf(environments);
  const chosen = usable.find(item => item.name === props.value);
  const isLooking = environments.loading || environments.list === null;
  const instead = isLooking
    ? props.value || trans.__('Looking for environments…')
    : trans.__('None with Runicorn');
  const choose = (name: string): void => (name === SET_UP ? props.onSetUp() : props.onChange(name));
  return (
    <Field label={trans.__('Environment')}>
      {id => (
        <>
          <div className="rj-Row">
            <select
              id={id}
              className="jp-mod-styled"
              value={props.value}
              disabled={props.disabled || usable.length === 0}
              onChange={event => choose(event.target.value)}
            >
              {usable.length === 0 && <option value={props.value}>{instead}</option>}
              {usable.map(item => (
                <option key={item.prefix} value={item.name}>
                  {item.runicorn_version ? `${item.name} · ${item.runicorn_version}` : item.name}
                </option>
              ))}
              {usable.length > 0 && canSetUp(environments) && (
                <optgroup label={trans.__('On this server')}>
                  <option value={SET_UP}>{trans.__('Set up Runicorn here…')}</option>
                </optgroup>
              )}
            </select>
            <IconButton
              label={trans.__('Look for environments again')}
              icon={refreshIcon}
              spinning={environments.loading}
              disabled={props.disabled || environments.loading}
              onPress={props.onDetect}
            />
          </div>
          {chosen && <Facts environment={chosen} trans={trans} />}
          <HowToName environments={environments} trans={trans} />
          <Notes of={environments} />
        </>
      )}
    </Field>
  );
}

/** What the look for environments could not do, in its own words. */
function Notes(props: { of: IEnvironmentList }): JSX.Element {
  return (
    <>
      {props.of.notes.map(note => (
        <p key={note} className="rj-Quiet rj-Small" lang="en">
          {note}
        </p>
      ))}
    </>
  );
}

/** How to name an environment that a short list lacks; nothing where nothing is known of the server. */
function HowToName(props: {
  environments: IEnvironmentList;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { environments, trans } = props;
  const { list, loading, notes } = environments;
  const isUnknown = loading || list === null || (list.length === 0 && notes.length > 0);
  if (isUnknown || usableOf(environments).length > 1) {
    return null;
  }
  return (
    <p className="rj-Quiet rj-Small">
      {trans.__(
        'An environment that is not listed can be named in a notebook by the path of its Python: %1',
        '%runicorn_viewer /apps/python/3.11/bin/python'
      )}
    </p>
  );
}

function Facts(props: { environment: Environment; trans: TranslationBundle }): JSX.Element {
  const { environment, trans } = props;
  const root = environment.storage_root;
  return (
    <div className="rj-Quiet rj-Small">
      {trans.__(
        'Runicorn %1, Python %2',
        environment.runicorn_version ?? '?',
        environment.python_version ?? '?'
      )}
      {root && (
        <div className="rj-TwoLines" title={root}>
          {root}
        </div>
      )}
      {environment.problem && (
        <div className="rj-Error" title={environment.problem}>
          {trans.__('It cannot run: %1', environment.problem)}
        </div>
      )}
      {environment.storage_root_from === 'RUNICORN_DIR' && (
        <div>{trans.__('The storage root is that of RUNICORN_DIR.')}</div>
      )}
      {environment.storage_root_from === 'config' && (
        <div>{trans.__("The storage root is that of Runicorn's configuration.")}</div>
      )}
    </div>
  );
}

/** The storage root, folded away: the environment knows it as a rule. */
export function StorageField(props: {
  value: string;
  environment: Environment | undefined;
  /** Folders that look like storage roots. */
  candidates: readonly string[];
  disabled: boolean;
  trans: TranslationBundle;
  onChange: (root: string) => void;
}): JSX.Element {
  const { trans, environment } = props;
  // Unfolded at the beginning only: afterwards it is the person's.
  const [wasFilled] = React.useState(props.value !== '');
  return (
    <details className="rj-Details" open={wasFilled || undefined}>
      <summary>{trans.__('Another storage root')}</summary>
      <TextField
        label={trans.__('Storage root')}
        value={props.value}
        placeholder={environment?.storage_root ?? trans.__('as Runicorn is configured there')}
        suggestions={props.candidates}
        disabled={props.disabled}
        onChange={props.onChange}
      />
    </details>
  );
}

/** The environments that have no Runicorn, each with the command that installs it. */
export function WithoutRunicorn(props: {
  environments: IEnvironmentList;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { trans, environments } = props;
  const { list } = environments;
  const others = list?.filter(item => !item.runicorn_installed) ?? [];
  if (list?.length === 0) {
    return (
      <p className="rj-Quiet">{trans.__('No Python environment was found on this server.')}</p>
    );
  }
  if (others.length === 0) {
    return null;
  }
  const summary = trans._n(
    '%1 environment without Runicorn',
    '%1 environments without Runicorn',
    others.length
  );
  return (
    <details className="rj-Details" open={usableOf(environments).length === 0 || undefined}>
      <summary>{summary}</summary>
      <p className="rj-Quiet">{trans.__('Run the command on the server, then look again.')}</p>
      <ul className="rj-Others">
        {others.map(item => (
          <li key={item.prefix}>
            <span className="rj-Others-name" title={item.prefix}>
              {item.name} · Python {item.python_version ?? '?'}
            </span>
            <CommandLine command={pipCommand(item.python_path)} trans={trans} />
          </li>
        ))}
      </ul>
    </details>
  );
}
