/** The form that says where the server is. */

import React from 'react';

import { RunicornError, type AuthMethod, type IConnectOptions, type IProfile } from '../client.js';
import { Declined } from '../flow.js';
import type { IFormDraft, Runicorn } from '../model.js';
import { HostField } from './HostField.js';
import { ErrorNote, useRunicorn } from './shared.js';
import { suggestionsOf, type ISuggestion } from './suggestions.js';

/** What a connection that was just made should show, if a saved one said so. */
export interface IConnected {
  connectionId: string;
  envName?: string | null;
  remoteRoot?: string | null;
}

function emptyDraft(runicorn: Runicorn): IFormDraft {
  return {
    host: '',
    username: '',
    authMethod: runicorn.settings.authMethod,
    port: '',
    privateKeyPath: '',
    timeout: '',
    saveAs: ''
  };
}

/** The draft that a saved connection fills in. */
export function draftOf(profile: IProfile): Partial<IFormDraft> {
  return {
    host: profile.host,
    username: profile.username ?? '',
    authMethod: profile.auth_method ?? 'key',
    port: profile.port && profile.port !== 22 ? String(profile.port) : '',
    privateKeyPath: profile.private_key_path ?? '',
    timeout: profile.timeout && profile.timeout !== 30 ? String(profile.timeout) : '',
    saveAs: ''
  };
}

/** What the form asks the client for. */
export function requestOf(draft: IFormDraft, password: string, timeout: number): IConnectOptions {
  return {
    host: draft.host.trim(),
    username: draft.username.trim() || undefined,
    authMethod: draft.authMethod,
    port: draft.port ? Number(draft.port) : 22,
    privateKeyPath: draft.privateKeyPath.trim() || undefined,
    password: password || undefined,
    timeout: draft.timeout ? Number(draft.timeout) : timeout
  };
}

/** The form. */
export function ConnectForm(props: { onConnected: (what: IConnected) => void }): JSX.Element {
  const runicorn = useRunicorn();
  const { trans, store, flow } = runicorn;
  const [draft, setDraft] = React.useState(() => emptyDraft(runicorn));
  const [password, setPassword] = React.useState('');
  const [error, setError] = React.useState<unknown>(null);
  const [busy, setBusy] = React.useState(false);
  const [profile, setProfile] = React.useState<IProfile | null>(null);
  const hostRef = React.useRef<HTMLInputElement>(null);
  const passwordRef = React.useRef<HTMLInputElement>(null);
  const errorFields = fieldsOf(error);

  const change = (values: Partial<IFormDraft>): void =>
    setDraft(before => ({ ...before, ...values }));

  React.useEffect(() => {
    const onDraft = (_: Runicorn, values: Partial<IFormDraft>): void => {
      setDraft({ ...emptyDraft(runicorn), ...values });
      setError(null);
      requestAnimationFrame(() => hostRef.current?.focus());
    };
    runicorn.drafted.connect(onDraft);
    return () => {
      runicorn.drafted.disconnect(onDraft);
    };
  }, [runicorn]);

  const choose = (suggestion: ISuggestion): void => {
    setProfile(suggestion.profile ?? null);
    change(suggestion.profile ? draftOf(suggestion.profile) : { host: suggestion.name });
  };

  const connect = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    const request = requestOf(draft, password, runicorn.settings.timeout);
    try {
      const result = await flow.connect(request);
      if (draft.saveAs.trim()) {
        await runicorn.client.saveProfile(profileOf(draft.saveAs.trim(), request));
        await store.readSuggestions();
      }
      setPassword('');
      setDraft(emptyDraft(runicorn));
      const chosen = profile?.host === request.host ? profile : null;
      props.onConnected({
        connectionId: result.connection_id,
        envName: chosen?.env_name,
        remoteRoot: chosen?.remote_root
      });
    } catch (reason) {
      if (!(reason instanceof Declined)) {
        setError(reason);
      }
    } finally {
      setBusy(false);
    }
  };

  const usePassword = (): void => {
    change({ authMethod: 'password' });
    setError(null);
    requestAnimationFrame(() => passwordRef.current?.focus());
  };

  const forgetKey = async (): Promise<void> => {
    const key = (error as RunicornError).details.host_key;
    if (await runicorn.questions.forgetHostKey(key)) {
      try {
        await runicorn.client.removeKnownHost(key.host, key.port);
      } catch (reason) {
        setError(reason);
        return;
      }
      await connect();
    }
  };

  return (
    <form
      className="rj-Form"
      aria-label={trans.__('Connect to a server')}
      onSubmit={event => {
        event.preventDefault();
        if (!busy && draft.host.trim()) {
          void connect();
        }
      }}
    >
      <HostField
        value={draft.host}
        suggestions={suggestionsOf(store.profiles, store.hosts)}
        invalid={errorFields.has('host')}
        disabled={busy}
        trans={trans}
        inputRef={hostRef}
        onChange={host => change({ host })}
        onChoose={choose}
      />
      <Text
        label={trans.__('User name')}
        value={draft.username}
        placeholder={userOf(draft.host, store.hosts) || trans.__('as your SSH configuration says')}
        invalid={errorFields.has('username')}
        disabled={busy}
        autoComplete="username"
        onChange={username => change({ username })}
      />
      <label className="rj-Field">
        <span>{trans.__('Authentication')}</span>
        <select
          className="jp-mod-styled"
          value={draft.authMethod}
          disabled={busy}
          onChange={event => change({ authMethod: event.target.value as AuthMethod })}
        >
          <option value="key">{trans.__('SSH key')}</option>
          <option value="agent">{trans.__('SSH agent only')}</option>
          <option value="password">{trans.__('Password')}</option>
        </select>
      </label>
      {draft.authMethod === 'password' && (
        <Text
          label={trans.__('Password')}
          type="password"
          value={password}
          inputRef={passwordRef}
          invalid={errorFields.has('password')}
          disabled={busy}
          autoComplete="current-password"
          onChange={setPassword}
        />
      )}
      <Advanced draft={draft} busy={busy} errorFields={errorFields} change={change} />
      {error !== null && (
        <ErrorNote
          reason={error}
          trans={trans}
          remedies={{
            retry: () => void connect(),
            'forget-key': () => void forgetKey(),
            ...(draft.authMethod !== 'password' && { password: usePassword }),
            'reload-page': () => location.reload(),
            refresh: () => void connect()
          }}
          onDismiss={() => setError(null)}
        />
      )}
      <div className="rj-Actions">
        <button
          type="submit"
          className="rj-Button rj-mod-primary"
          disabled={
            busy || !draft.host.trim() || (draft.authMethod === 'password' && password === '')
          }
        >
          {trans.__('Connect')}
        </button>
      </div>
    </form>
  );
}

function Advanced(props: {
  draft: IFormDraft;
  busy: boolean;
  errorFields: Set<string>;
  change: (values: Partial<IFormDraft>) => void;
}): JSX.Element {
  const { draft, busy, errorFields, change } = props;
  const { trans, settings } = useRunicorn();
  const hidden = ['port', 'timeout', 'private_key_path', 'name'].some(name =>
    errorFields.has(name)
  );
  return (
    <details className="rj-Details" open={hidden || undefined}>
      <summary>{trans.__('Advanced')}</summary>
      <Text
        label={trans.__('Port')}
        type="number"
        min={1}
        max={65535}
        value={draft.port}
        placeholder="22"
        invalid={errorFields.has('port')}
        disabled={busy}
        onChange={port => change({ port })}
      />
      {draft.authMethod === 'key' && (
        <Text
          label={trans.__('Private key file')}
          value={draft.privateKeyPath}
          placeholder={trans.__('the default keys and the agent')}
          invalid={errorFields.has('private_key_path')}
          disabled={busy}
          onChange={privateKeyPath => change({ privateKeyPath })}
        />
      )}
      <Text
        label={trans.__('Timeout in seconds')}
        type="number"
        min={1}
        max={600}
        value={draft.timeout}
        placeholder={String(settings.timeout)}
        invalid={errorFields.has('timeout')}
        disabled={busy}
        onChange={timeout => change({ timeout })}
      />
      <Text
        label={trans.__('Save this connection as')}
        value={draft.saveAs}
        placeholder={trans.__('a name, without the password')}
        invalid={errorFields.has('name')}
        disabled={busy}
        onChange={saveAs => change({ saveAs })}
      />
    </details>
  );
}

/** A labelled text field. */
export function Text(props: {
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

function profileOf(name: string, request: IConnectOptions): IProfile {
  return {
    name,
    host: request.host,
    username: request.username,
    port: request.port,
    auth_method: request.authMethod,
    private_key_path: request.authMethod === 'key' ? request.privateKeyPath : undefined,
    timeout: request.timeout
  };
}

function userOf(host: string, hosts: readonly { alias: string; username: string }[]): string {
  return hosts.find(item => item.alias === host.trim())?.username ?? '';
}

function fieldsOf(error: unknown): Set<string> {
  const errors = error instanceof RunicornError ? error.details.errors : null;
  return new Set(
    Array.isArray(errors) ? errors.map((item: { field?: unknown }) => String(item.field)) : []
  );
}
