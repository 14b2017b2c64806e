/** Where a viewer is, as layouts and notebooks keep it. */

import type { ConnectionInfo } from '../api/client.js';

/**
 * Names a viewer by host, environment and folder.
 *
 * It never holds a capability, a token or a secret. A missing port or user name means what the
 * ssh config says; a missing environment or root means whichever the connection shows.
 */
export interface ViewerLocation {
  host: string;
  port?: number | null;
  username?: string | null;
  env_name?: string | null;
  remote_root?: string | null;
}

/** Return the location of the viewer that a connection holds. */
export function locationOf(connection: ConnectionInfo): ViewerLocation {
  const { host, port, username, viewer } = connection;
  return {
    host,
    port,
    username,
    env_name: viewer?.env_name ?? null,
    remote_root: viewer?.remote_root ?? null
  };
}

/** Return whether a connection goes to the host of a location. */
export function isAtHost(connection: ConnectionInfo, at: ViewerLocation): boolean {
  return (
    connection.host === at.host &&
    (!at.username || connection.username === at.username) &&
    (!at.port || connection.port === at.port)
  );
}

/** Return whether a connection holds exactly the viewer of a location. */
export function holdsViewer(connection: ConnectionInfo, at: ViewerLocation): boolean {
  const viewer = connection.viewer;
  return (
    viewer !== null &&
    viewer.status !== 'stopped' &&
    isAtHost(connection, at) &&
    (!at.env_name || viewer.env_name === at.env_name) &&
    (!at.remote_root || viewer.remote_root === at.remote_root)
  );
}

/** Return a stable key for a location, for widget ids and layouts. */
export function locationKey(at: ViewerLocation): string {
  return [at.username ?? '', at.host, at.port ?? '', at.env_name ?? '', at.remote_root ?? '']
    .map(part => encodeURIComponent(String(part)))
    .join('|');
}

/** The longest field of a location, in characters: a path on Linux. */
const LONGEST_FIELD = 4096;

/** Parse a location from data of a layout or a notebook; null if it is invalid. */
export function parseLocation(data: unknown): ViewerLocation | null {
  if (typeof data !== 'object' || data === null) {
    return null;
  }
  const fields = data as Record<string, unknown>;
  const text = (name: string): string | null =>
    typeof fields[name] === 'string' && fields[name] !== '' ? fields[name] : null;
  const host = text('host');
  const fieldsOfText = [host, text('username'), text('env_name'), text('remote_root')];
  if (host === null || fieldsOfText.some(field => (field?.length ?? 0) > LONGEST_FIELD)) {
    return null;
  }
  return {
    host,
    port: typeof fields.port === 'number' ? fields.port : null,
    username: text('username'),
    env_name: text('env_name'),
    remote_root: text('remote_root')
  };
}
