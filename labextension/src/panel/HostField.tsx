/** The Host field: a combobox of saved connections and the ssh config's aliases (ARIA 1.2). */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { matching, type ISuggestion } from './suggestions.js';

/** The field. */
export function HostField(props: {
  value: string;
  suggestions: readonly ISuggestion[];
  invalid: boolean;
  disabled: boolean;
  trans: TranslationBundle;
  inputRef: React.RefObject<HTMLInputElement>;
  onChange: (value: string) => void;
  onChoose: (suggestion: ISuggestion) => void;
}): JSX.Element {
  const { value, trans } = props;
  const id = React.useId();
  const [open, setOpen] = React.useState(false);
  const [active, setActive] = React.useState(-1);
  const shown = matching(props.suggestions, value);
  const isOpen =
    open && shown.length > 0 && !(shown.length === 1 && shown[0]?.name === value.trim());
  const listRef = React.useRef<HTMLUListElement>(null);

  React.useEffect(() => {
    listRef.current?.children[active]?.scrollIntoView({ block: 'nearest' });
  }, [active]);

  const choose = (suggestion: ISuggestion): void => {
    setOpen(false);
    setActive(-1);
    props.onChoose(suggestion);
  };

  const onKeyDown = (event: React.KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && shown.length > 0) {
      event.preventDefault();
      setOpen(true);
      setActive(
        isOpen ? (active + step + shown.length) % shown.length : step > 0 ? 0 : shown.length - 1
      );
    } else if (event.key === 'Enter' && isOpen && shown[active]) {
      event.preventDefault();
      choose(shown[active]);
    } else if (event.key === 'Escape' && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      setOpen(false);
      setActive(-1);
    }
  };

  return (
    <div className="rj-Field rj-HostField">
      <label htmlFor={id}>{trans.__('Host')}</label>
      <input
        id={id}
        ref={props.inputRef}
        className="jp-mod-styled"
        type="text"
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-activedescendant={isOpen && active >= 0 ? `${id}-${active}` : undefined}
        aria-invalid={props.invalid || undefined}
        aria-required
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        disabled={props.disabled}
        placeholder={trans.__('gpu1 or gpu1.example.org')}
        value={value}
        onChange={event => {
          setOpen(true);
          setActive(-1);
          props.onChange(event.target.value);
        }}
        onKeyDown={onKeyDown}
        onMouseDown={() => setOpen(true)}
        onBlur={() => setOpen(false)}
      />
      <ul
        id={`${id}-list`}
        ref={listRef}
        className="rj-Suggestions"
        role="listbox"
        aria-label={trans.__('Saved connections and known hosts')}
        hidden={!isOpen}
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
            <span className="rj-Suggestion-name">{item.name}</span>
            <span className="rj-Suggestion-where">
              {item.profile ? `★ ${item.where}` : item.where}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
