/** Names that other parts hold on to, and what a viewer's place is made of. */

import type { IConnection } from './client.js';

/** The translation domain, and the name of our `jupyterlab.locale` entry point. */
export const DOMAIN = 'runicorn_jupyter';
/** The settings' and the main plugin's id. */
export const PLUGIN_ID = 'runicorn-jupyter:plugin';
/** The schema of the server's events. */
export const EVENT_SCHEMA = 'https://schema.runicorn.dev/remote/v1';
/** The type of notebook outputs that show a viewer. */
export const MIME_TYPE = 'application/vnd.runicorn.viewer+json';
/** The id of the side panel. */
export const PANEL_ID = 'runicorn-panel';

/** The id of the view of all runs. */
export const RUNS_ID = 'runicorn-runs';

/** The commands. */
export const CommandIDs = {
  showPanel: 'runicorn:show-panel',
  showRuns: 'runicorn:show-runs',
  connect: 'runicorn:connect',
  disconnect: 'runicorn:disconnect',
  openViewer: 'runicorn:open-viewer',
  openExternally: 'runicorn:open-viewer-externally',
  reloadViewer: 'runicorn:reload-viewer',
  stopViewer: 'runicorn:stop-viewer',
  refresh: 'runicorn:refresh'
} as const;

/**
 * Where a viewer is: what is kept in layouts and notebooks. It never holds a capability, a
 * token or a secret. A missing port or user name means what the ssh config says; a missing
 * environment or root means whichever the connection shows.
 */
export interface ICoordinate {
  host: string;
  port?: number | null;
  username?: string | null;
  env_name?: string | null;
  remote_root?: string | null;
}

/** The place of the viewer that a connection holds. */
export function coordinateOf(connection: IConnection): ICoordinate {
  const { host, port, username, viewer } = connection;
  return {
    host,
    port,
    username,
    env_name: viewer?.env_name ?? null,
    remote_root: viewer?.remote_root ?? null
  };
}

/** Whether a connection goes to the host that a coordinate names. */
export function isAtHost(connection: IConnection, at: ICoordinate): boolean {
  return (
    connection.host === at.host &&
    (!at.username || connection.username === at.username) &&
    (!at.port || connection.port === at.port)
  );
}

/** Whether a connection holds the very viewer that a coordinate names. */
export function holdsViewer(connection: IConnection, at: ICoordinate): boolean {
  const viewer = connection.viewer;
  return (
    viewer !== null &&
    viewer.status !== 'stopped' &&
    isAtHost(connection, at) &&
    (!at.env_name || viewer.env_name === at.env_name) &&
    (!at.remote_root || viewer.remote_root === at.remote_root)
  );
}

/** A stable name of a coordinate, for widget ids and layouts. */
export function keyOf(at: ICoordinate): string {
  return [at.username ?? '', at.host, at.port ?? '', at.env_name ?? '', at.remote_root ?? '']
    .map(part => encodeURIComponent(String(part)))
    .join('|');
}

/** The longest field of a coordinate, in characters: a path on Linux. */
const LONGEST_FIELD = 4096;

/** Read a coordinate from data of a layout or a notebook; null if it is none. */
export function readCoordinate(data: unknown): ICoordinate | null {
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
