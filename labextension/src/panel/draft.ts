/** What stands in the form, and what becomes of it: pure functions. */

import { RunicornError, type IConnectOptions, type IHostAlias, type IProfile } from '../client.js';
import { EMPTY_DRAFT, type IFormDraft, type ISettings } from '../model.js';
import type { ICoordinate } from '../tokens.js';

/** A form in which nothing was typed. */
export function emptyDraft(settings: ISettings): IFormDraft {
  return { ...EMPTY_DRAFT, authMethod: settings.authMethod };
}

/** The form that a saved connection fills in. */
export function draftOf(profile: IProfile): IFormDraft {
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
export function requestOf(
  draft: IFormDraft,
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

/** What connects to a place again: as it was saved, else as the ssh config says. */
export function requestAt(
  at: ICoordinate,
  profiles: readonly IProfile[],
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

/** The connection to save; never with a secret. */
export function profileOf(name: string, request: IConnectOptions): IProfile {
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

/** The user name that the ssh config has for an alias, or ''. */
export function configuredUser(host: string, hosts: readonly IHostAlias[]): string {
  return hosts.find(item => item.alias === host.trim())?.username ?? '';
}

/** The fields of a request that an error is about. */
export function fieldsOf(error: unknown): ReadonlySet<string> {
  const errors: unknown = error instanceof RunicornError ? error.details.errors : null;
  return new Set(
    Array.isArray(errors) ? errors.map((item: { field?: unknown }) => String(item.field)) : []
  );
}
