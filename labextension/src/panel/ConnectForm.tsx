/** The form that says where the server is. */

import React from 'react';

import type { AuthMethod, Profile, RunicornError } from '../api/client.js';
import { Declined } from '../state/connectFlow.js';
import type { Runicorn } from '../ui/context.js';
import type { Remedy } from '../ui/messages.js';
import {
  configuredHost,
  draftOf,
  emptyDraft,
  fieldsOf,
  profileOf,
  requestOf,
  type IConnectDraft
} from '../state/connectRequest.js';
import { Choice, TextField } from '../ui/fields.js';
import { HostField } from './HostField.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';
import { suggestionsOf, type ISuggestion } from './suggestions.js';

/** What a connection that was just made should show, if a saved one said so. */
export interface IConnected {
  connectionId: string;
  /** The saved connection that it was made from. */
  profileName?: string | null;
  /** Settles when that is saved, and known to the page; rejects where it cannot be saved. */
  saved?: Promise<void>;
  envName?: string | null;
  remoteRoot?: string | null;
}

interface IForm {
  runicorn: Runicorn;
  draft: IConnectDraft;
  change: (values: Partial<IConnectDraft>) => void;
  password: string;
  setPassword: (value: string) => void;
  error: unknown;
  setError: (error: unknown) => void;
  busy: boolean;
  invalid: ReadonlySet<string>;
  hostRef: React.RefObject<HTMLInputElement>;
  passwordRef: React.RefObject<HTMLInputElement>;
  choose: (suggestion: ISuggestion) => void;
  connect: () => Promise<void>;
}

/** Focus a field once it is there. */
function focusSoon(ref: React.RefObject<HTMLElement>): void {
  requestAnimationFrame(() => ref.current?.focus());
}

function useForm(onConnected: (what: IConnected) => void): IForm {
  const runicorn = useRunicorn();
  const { settings, flow, client, store } = runicorn;
  const [draft, setDraft] = React.useState(() => runicorn.takeDraft() ?? emptyDraft(settings));
  const [password, setPassword] = React.useState('');
  const [error, setError] = React.useState<unknown>(null);
  const [busy, setBusy] = React.useState(false);
  const [profile, setProfile] = React.useState<Profile | null>(null);
  const hostRef = React.useRef<HTMLInputElement>(null);
  const passwordRef = React.useRef<HTMLInputElement>(null);

  React.useEffect(() => {
    const onDraft = (): void => {
      setDraft(runicorn.takeDraft() ?? emptyDraft(runicorn.settings));
      setError(null);
      focusSoon(hostRef);
    };
    runicorn.drafted.connect(onDraft);
    return () => {
      runicorn.drafted.disconnect(onDraft);
    };
  }, [runicorn]);

  const connect = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    const request = requestOf(draft, password, settings);
    try {
      const result = await flow.connect(request);
      const name = draft.saveAs.trim();
      const saved = name
        ? client.saveProfile(profileOf(name, request)).then(() => store.readSuggestions())
        : Promise.resolve();
      const chosen = profile?.host === request.host ? profile : null;
      // Before it is saved: the connection's card is there, and may be used at once.
      onConnected({
        connectionId: result.connection_id,
        profileName: name || chosen?.name,
        saved,
        envName: chosen?.env_name,
        remoteRoot: chosen?.remote_root
      });
      await saved;
      setPassword('');
      setDraft(emptyDraft(settings));
    } catch (reason) {
      setError(reason instanceof Declined ? null : reason);
    } finally {
      setBusy(false);
    }
  };
  const change = (values: Partial<IConnectDraft>): void =>
    setDraft(before => ({ ...before, ...values }));
  const choose = (suggestion: ISuggestion): void => {
    setProfile(suggestion.profile ?? null);
    change(suggestion.profile ? draftOf(suggestion.profile) : { host: suggestion.name });
  };
  return {
    ...{ runicorn, draft, change, password, setPassword, error, setError, busy },
    ...{ invalid: fieldsOf(error), hostRef, passwordRef, choose, connect }
  };
}

/** What the form can do about an error. */
function remediesOf(form: IForm): Partial<Record<Remedy, () => void>> {
  const { runicorn, draft, error, setError, change, connect, passwordRef } = form;
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
  const usePassword = (): void => {
    change({ authMethod: 'password' });
    setError(null);
    focusSoon(passwordRef);
  };
  // What would try again is the form's own button.
  return {
    'forget-key': () => void forgetKey(),
    'reload-page': () => location.reload(),
    ...(draft.authMethod !== 'password' && { password: usePassword })
  };
}

/** The form. */
export function ConnectForm(props: {
  onConnected: (what: IConnected) => void;
  /** Whether the person asked for it, so that it is to be in sight and have the focus. */
  wasAskedFor: boolean;
}): JSX.Element {
  const form = useForm(props.onConnected);
  const { hostRef } = form;
  React.useEffect(() => {
    if (props.wasAskedFor) {
      hostRef.current?.form?.scrollIntoView({ block: 'nearest' });
      hostRef.current?.focus();
    }
  }, [props.wasAskedFor, hostRef]);
  const { draft, busy, error, runicorn } = form;
  const { trans, store } = runicorn;
  const isComplete =
    draft.host.trim() !== '' && (draft.authMethod !== 'password' || form.password !== '');
  return (
    <form
      className="rj-Form"
      aria-label={trans.__('Connect to a server')}
      onSubmit={event => {
        event.preventDefault();
        if (!busy && isComplete) {
          void form.connect();
        }
      }}
    >
      <HostField
        value={draft.host}
        suggestions={suggestionsOf(store.profiles, store.hosts)}
        invalid={form.invalid.has('host')}
        disabled={busy}
        trans={trans}
        inputRef={form.hostRef}
        onChange={host => form.change({ host })}
        onChoose={form.choose}
      />
      <Credentials form={form} />
      <Advanced form={form} />
      {error !== null && (
        <ErrorNote
          reason={error}
          trans={trans}
          remedies={remediesOf(form)}
          onDismiss={() => form.setError(null)}
        />
      )}
      <div className="rj-Actions">
        <button type="submit" className="rj-Button rj-mod-primary" disabled={busy || !isComplete}>
          {trans.__('Connect')}
        </button>
      </div>
    </form>
  );
}

function Credentials(props: { form: IForm }): JSX.Element {
  const { draft, busy, change, invalid, runicorn, password, setPassword } = props.form;
  const { trans, store } = runicorn;
  return (
    <>
      <TextField
        label={trans.__('User name')}
        value={draft.username}
        placeholder={
          configuredHost(draft.host, store.hosts)?.username ||
          trans.__('as your SSH configuration says')
        }
        invalid={invalid.has('username')}
        disabled={busy}
        autoComplete="username"
        onChange={username => change({ username })}
      />
      <Choice<AuthMethod>
        label={trans.__('Authentication')}
        value={draft.authMethod}
        disabled={busy}
        options={[
          ['key', trans.__('SSH key')],
          ['agent', trans.__('SSH agent only')],
          ['password', trans.__('Password')]
        ]}
        onChange={authMethod => change({ authMethod })}
      />
      {draft.authMethod === 'password' && (
        <TextField
          label={trans.__('Password')}
          type="password"
          value={password}
          inputRef={props.form.passwordRef}
          invalid={invalid.has('password')}
          disabled={busy}
          autoComplete="current-password"
          onChange={setPassword}
        />
      )}
    </>
  );
}

function Advanced(props: { form: IForm }): JSX.Element {
  const { draft, busy, change, invalid, runicorn } = props.form;
  const { trans, settings, store } = runicorn;
  const configured = configuredHost(draft.host, store.hosts);
  const isNeeded = ['port', 'timeout', 'private_key_path', 'name'].some(name => invalid.has(name));
  return (
    <details className="rj-Details" open={isNeeded || undefined}>
      <summary>{trans.__('Advanced')}</summary>
      <TextField
        label={trans.__('Port')}
        type="number"
        min={1}
        max={65535}
        value={draft.port}
        placeholder={String(configured?.port ?? 22)}
        invalid={invalid.has('port')}
        disabled={busy}
        onChange={port => change({ port })}
      />
      {draft.authMethod === 'key' && (
        <TextField
          label={trans.__('Private key file')}
          value={draft.privateKeyPath}
          placeholder={configured?.identity_file ?? trans.__('the default keys and the agent')}
          invalid={invalid.has('private_key_path')}
          disabled={busy}
          onChange={privateKeyPath => change({ privateKeyPath })}
        />
      )}
      <TextField
        label={trans.__('Timeout in seconds')}
        type="number"
        min={1}
        max={600}
        value={draft.timeout}
        placeholder={String(settings.timeout)}
        invalid={invalid.has('timeout')}
        disabled={busy}
        onChange={timeout => change({ timeout })}
      />
      <TextField
        label={trans.__('Save this connection as')}
        value={draft.saveAs}
        placeholder={trans.__('a name, without the password')}
        invalid={invalid.has('name')}
        disabled={busy}
        onChange={saveAs => change({ saveAs })}
      />
    </details>
  );
}
