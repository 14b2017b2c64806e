/** Labelled fields. */

import React from 'react';

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
  min?: number;
  max?: number;
  inputRef?: React.RefObject<HTMLInputElement>;
}): JSX.Element {
  return (
    <label className="rj-Field">
      <span>{props.label}</span>
      <input
        className="jp-mod-styled"
        ref={props.inputRef}
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
    </label>
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
