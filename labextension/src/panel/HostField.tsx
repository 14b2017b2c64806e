/** The Host field: a combobox of saved connections and the ssh config's aliases (ARIA 1.2). */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { Field } from '../ui/fields.js';
import { matching, type ISuggestion } from './suggestions.js';

interface IHostFieldProps {
  value: string;
  suggestions: readonly ISuggestion[];
  invalid: boolean;
  disabled: boolean;
  trans: TranslationBundle;
  inputRef: React.RefObject<HTMLInputElement>;
  onChange: (value: string) => void;
  onChoose: (suggestion: ISuggestion) => void;
}

interface ICombobox {
  /** What is offered; empty where nothing is to be shown. */
  shown: readonly ISuggestion[];
  /** The index of the highlighted one, or -1. */
  active: number;
  open: () => void;
  close: () => void;
  choose: (suggestion: ISuggestion) => void;
  onKeyDown: (event: React.KeyboardEvent) => void;
}

function useCombobox(props: IHostFieldProps): ICombobox {
  const [isOpen, setOpen] = React.useState(false);
  const [active, setActive] = React.useState(-1);
  const found = matching(props.suggestions, props.value);
  const isExact = found.length === 1 && found[0]?.name === props.value.trim();
  const shown = isOpen && !isExact ? found : [];

  const close = (): void => {
    setOpen(false);
    setActive(-1);
  };
  const choose = (suggestion: ISuggestion): void => {
    close();
    props.onChoose(suggestion);
  };
  const move = (step: 1 | -1): void => {
    setOpen(true);
    const start = step > 0 ? 0 : found.length - 1;
    setActive(active < 0 ? start : (active + step + found.length) % found.length);
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const step = ({ ArrowDown: 1, ArrowUp: -1 } as const)[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      move(step);
    } else if (event.key === 'Enter' && shown[active]) {
      event.preventDefault();
      choose(shown[active]);
    } else if (event.key === 'Escape' && shown.length > 0) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };
  const open = (): void => {
    setOpen(true);
    setActive(-1);
  };
  return { shown, active, open, close, choose, onKeyDown };
}

/** The field. */
export function HostField(props: IHostFieldProps): JSX.Element {
  const { trans } = props;
  const combobox = useCombobox(props);
  const { shown, active } = combobox;
  return (
    <Field label={trans.__('Host')}>
      {id => (
        <>
          <input
            id={id}
            ref={props.inputRef}
            className="jp-mod-styled"
            type="text"
            role="combobox"
            aria-autocomplete="list"
            aria-expanded={shown.length > 0}
            aria-controls={`${id}-list`}
            aria-activedescendant={shown[active] ? `${id}-${active}` : undefined}
            aria-invalid={props.invalid || undefined}
            aria-required
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            disabled={props.disabled}
            placeholder={trans.__('gpu1 or gpu1.example.org')}
            value={props.value}
            onChange={event => {
              combobox.open();
              props.onChange(event.target.value);
            }}
            onKeyDown={combobox.onKeyDown}
            onMouseDown={combobox.open}
            onBlur={combobox.close}
          />
          <Suggestions id={id} combobox={combobox} trans={trans} />
        </>
      )}
    </Field>
  );
}

function Suggestions(props: {
  id: string;
  combobox: ICombobox;
  trans: TranslationBundle;
}): JSX.Element {
  const { id, trans } = props;
  const { shown, active, choose } = props.combobox;
  const listRef = React.useRef<HTMLUListElement>(null);

  React.useEffect(() => {
    listRef.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);

  return (
    <ul
      id={`${id}-list`}
      ref={listRef}
      className="rj-Suggestions"
      role="listbox"
      aria-label={trans.__('Saved connections and known hosts')}
      hidden={shown.length === 0}
    >
      {shown.map((item, index) => (
        <li
          key={`${item.profile ? 'p' : 'h'}-${item.name}`}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === active}
          // The field keeps the focus, so that it doesn't close the list before the click.
          onMouseDown={event => event.preventDefault()}
          onClick={() => choose(item)}
        >
          <span>{item.name}</span>
          <span className="rj-Suggestion-where">
            {item.profile ? `★ ${item.where}` : item.where}
          </span>
        </li>
      ))}
    </ul>
  );
}
