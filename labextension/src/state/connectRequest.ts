/** Turns the connect form into requests and saved connections, and back: pure functions. */

import {
  RunicornError,
  type AuthMethod,
  type IConnectOptions,
  type HostAlias,
  type Profile,
  type ProfileFields
} from '../api/client.js';
import type { ISettings } from './settings.js';
import type { ViewerLocation } from './viewerLocation.js';

/** The fields of the connect form, as typed. */
export interface IConnectDraft {
  host: string;
  username: string;
  authMethod: AuthMethod;
  port: string;
  privateKeyPath: string;
  timeout: string;
  saveAs: string;
}

/** Return the form in which nothing was typed. */
export function emptyDraft(settings: ISettings): IConnectDraft {
  return {
    host: '',
    username: '',
    authMethod: settings.authMethod,
    port: '',
    privateKeyPath: '',
    timeout: '',
    saveAs: ''
  };
}

/** Return the form filled in from a saved connection. */
export function draftOf(profile: Profile): IConnectDraft {
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

/** Return the client's arguments for a form. */
export function requestOf(
  draft: IConnectDraft,
  password: string,
  settings: ISettings
): IConnectOptions {
  return {
    host: draft.host.trim(),
    username: draft.username.trim() || undefined,
    authMethod: draft.authMethod,
    port: draft.port ? Number(draft.port) : 22,
    privateKeyPath: draft.privateKeyPath.trim() || undefined,
    password: password || undefined,
    timeout: draft.timeout ? Number(draft.timeout) : settings.timeout
  };
}

/** Return the client's arguments for a location: as it was saved, else as the ssh config says. */
export function requestAt(
  at: ViewerLocation,
  profiles: readonly Profile[],
  settings: ISettings
): IConnectOptions {
  const profile = profiles.find(
    item =>
      item.host === at.host && (!item.username || !at.username || item.username === at.username)
  );
  return {
    host: at.host,
    port: at.port ?? undefined,
    username: at.username ?? undefined,
    authMethod: profile?.auth_method === 'agent' ? 'agent' : 'key',
    privateKeyPath: profile?.private_key_path ?? undefined,
    timeout: settings.timeout
  };
}

/** Return the connection to save; never with a secret. */
export function profileOf(name: string, request: IConnectOptions): ProfileFields {
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

/** Return what the ssh config says of an alias, if it is one. */
export function configuredHost(host: string, hosts: readonly HostAlias[]): HostAlias | undefined {
  return hosts.find(item => item.alias === host.trim());
}

/** Return the names of the request's fields that an error is about. */
export function fieldsOf(error: unknown): ReadonlySet<string> {
  const errors: unknown = error instanceof RunicornError ? error.details.errors : null;
  return new Set(
    Array.isArray(errors) ? errors.map((item: { field?: unknown }) => String(item.field)) : []
  );
}
