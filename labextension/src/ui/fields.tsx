/** Labelled fields. */

import React from 'react';

/** A label, and below it what is labelled; that takes the id. */
export function Field(props: {
  label: string;
  children: (id: string) => React.ReactNode;
}): JSX.Element {
  const id = React.useId();
  return (
    <div className="rj-Field">
      <label htmlFor={id}>{props.label}</label>
      {props.children(id)}
    </div>
  );
}

/** A labelled text field. */
export function TextField(props: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  type?: 'text' | 'password' | 'number';
  placeholder?: string;
  invalid?: boolean;
  disabled?: boolean;
  autoComplete?: string;
  /** What the browser offers while something is typed. */
  suggestions?: readonly string[];
  min?: number;
  max?: number;
  inputRef?: React.RefObject<HTMLInputElement>;
}): JSX.Element {
  return (
    <Field label={props.label}>
      {id => (
        <>
          <input
            id={id}
            className="jp-mod-styled"
            ref={props.inputRef}
            list={props.suggestions?.length ? `${id}-list` : undefined}
            type={props.type ?? 'text'}
            value={props.value}
            placeholder={props.placeholder}
            aria-invalid={props.invalid || undefined}
            disabled={props.disabled}
            autoComplete={props.autoComplete ?? 'off'}
            autoCapitalize="off"
            spellCheck={false}
            min={props.min}
            max={props.max}
            onChange={event => props.onChange(event.target.value)}
          />
          {props.suggestions && (
            <datalist id={`${id}-list`}>
              {props.suggestions.map(text => (
                <option key={text} value={text} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}

/** A labelled choice among a few. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: ReadonlyArray<readonly [value: T, label: string]>;
  disabled?: boolean;
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <Field label={props.label}>
      {id => (
        <select
          id={id}
          className="jp-mod-styled"
          value={props.value}
          disabled={props.disabled}
          onChange={event => props.onChange(event.target.value as T)}
        >
          {props.options.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A button with an icon only. */
export function IconButton(props: {
  label: string;
  icon: { react: React.ElementType };
  onPress: () => void;
  disabled?: boolean;
  expanded?: boolean;
  spinning?: boolean;
}): JSX.Element {
  const { label, spinning } = props;
  return (
    <button
      type="button"
      className={`rj-IconButton${spinning ? ' rj-mod-spinning' : ''}`}
      aria-label={label}
      aria-expanded={props.expanded}
      title={label}
      disabled={props.disabled}
      onClick={props.onPress}
    >
      <props.icon.react tag="span" />
    </button>
  );
}
