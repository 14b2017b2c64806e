/** The field in which runs are found: completion of names and values, a mistake where it is, saved filters. */

import { clearIcon, saveIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Run, RunicornError } from '../api/client.js';
import { IconButton } from '../ui/fields.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';
import { completionsOf, cutAt, namesIn } from './filter.js';

/** How many filters can be saved. */
const MOST_SAVED = 100;

/** The field. */
export function FilterField(props: {
  typed: string;
  /** All runs, which the completion takes names and values from. */
  runs: readonly Run[];
  error: unknown;
  onType: (typed: string) => void;
}): JSX.Element {
  const { typed, runs, error, onType } = props;
  const { trans, settings } = useRunicorn();
  const id = React.useId();
  const [hasFocus, setFocus] = React.useState(false);
  const names = React.useMemo(() => (hasFocus ? namesIn(runs) : null), [hasFocus, runs]);
  const offered = React.useMemo(() => {
    if (names === null) {
      return [];
    }
    return typed === '' ? settings.runsFilters : completionsOf(typed, names, runs);
  }, [typed, names, runs, settings.runsFilters]);
  return (
    <span className="rj-Runs-find">
      <input
        type="search"
        className="jp-mod-styled rj-Runs-filter"
        aria-label={trans.__('Filter the runs')}
        placeholder={trans.__('Words, or a condition: lr>1e-4 status=finished')}
        title={trans.__(
          'Words that are in name, path, tags, server or status; or conditions: names of parameters and metrics with = != < <= > >= ~, “and”, “or”, “not” and parentheses.'
        )}
        list={`${id}-list`}
        autoComplete="off"
        spellCheck={false}
        maxLength={2000}
        aria-invalid={error !== null || undefined}
        aria-describedby={error !== null ? `${id}-error` : undefined}
        value={typed}
        onFocus={() => setFocus(true)}
        onBlur={() => setFocus(false)}
        onChange={event => onType(event.target.value)}
      />
      <datalist id={`${id}-list`}>
        {offered.map(text => (
          <option key={text} value={text} />
        ))}
      </datalist>
      <SaveFilter typed={typed.trim()} canSave={error === null} />
      {error !== null && <Mistake id={`${id}-error`} typed={typed} error={error} />}
    </span>
  );
}

/** Saves what is typed, or forgets it. */
function SaveFilter(props: { typed: string; canSave: boolean }): JSX.Element | null {
  const { typed } = props;
  const { trans, settings, saveSetting } = useRunicorn();
  if (typed === '' || saveSetting === null) {
    return null;
  }
  const others = settings.runsFilters.filter(each => each !== typed);
  const isSaved = others.length < settings.runsFilters.length;
  return (
    <IconButton
      label={isSaved ? trans.__('Forget this filter') : trans.__('Save this filter')}
      icon={isSaved ? clearIcon : saveIcon}
      disabled={!isSaved && !props.canSave}
      onPress={() =>
        void saveSetting('runsFilters', isSaved ? others : [typed, ...others].slice(0, MOST_SAVED))
      }
    />
  );
}

/** What is wrong, with the place marked. */
function Mistake(props: { id: string; typed: string; error: unknown }): JSX.Element {
  const { id, typed, error } = props;
  const { trans } = useRunicorn();
  const { details, message } = error as RunicornError;
  if (typeof details?.position !== 'number') {
    return <ErrorNote reason={error} trans={trans} />;
  }
  const [before, from] = cutAt(typed.trim(), details.position);
  return (
    <span className="rj-Runs-mistake" id={id} role="alert">
      <code>
        {before}
        <mark>{from || '\u00a0'}</mark>
      </code>{' '}
      {trans.__('This condition cannot be read; the table stays as it was.')}{' '}
      <span lang="en">{message}</span>
    </span>
  );
}
