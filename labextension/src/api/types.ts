/** The arguments of the client; what goes over the wire is generated. Types only. */

import type { AuthMethod, Profile, RunStatus } from './generated.js';

export type * from './generated.js';

/** The arguments of `connect`. */
export interface IConnectOptions {
  /** A host name, an address, or an alias of the user's ssh config. */
  host: string;
  /** Without one, the ssh config's, else the local user's. */
  username?: string;
  authMethod?: AuthMethod;
  /** 22 leaves the choice to the ssh config. */
  port?: number;
  privateKeyPath?: string;
  password?: string;
  keyPassphrase?: string;
  /** Seconds for all of connecting, 1 to 600. */
  timeout?: number;
  /** Comes back in the progress events of this request: up to 64 letters, digits and dashes. */
  requestId?: string;
  /** Aborts the request. */
  signal?: AbortSignal;
}

/** The options of `createEnvironment`. */
export interface ICreateEnvironmentOptions {
  /** Without one, that which is there, else the newest that fits the Python. */
  runicornVersion?: string;
  /** A listed environment, or the path of an interpreter; without one, the best there is. */
  python?: string;
  /** Whether a Python is brought, into the same folder, where the host has none of at least 3.8. */
  bringPython?: boolean;
  /** Where packages come from: the host's own pip or uv, the Jupyter server, or the first that works. */
  wheels?: 'auto' | 'remote' | 'local';
  /** Comes back in the progress events of this request: up to 64 letters, digits and dashes. */
  requestId?: string;
  /** Aborts waiting; `cancelEnvironment` ends the work. */
  signal?: AbortSignal;
}

/** The options of `startViewer`. */
export interface IStartViewerOptions {
  /** Absolute or `~/…`; without one, the environment's own storage root. */
  remoteRoot?: string;
  /** Whether front ends should show the viewer. */
  autoOpen?: boolean;
  /**
   * End the viewer that the connection holds, by force if need be and whoever else holds it, and start anew
   * under the same URL.
   */
  replace?: boolean;
  /** Comes back in the progress events of this request: up to 64 letters, digits and dashes. */
  requestId?: string;
  /** Aborts the request. */
  signal?: AbortSignal;
}

/** A connection to save; what is left out has its default. */
export type ProfileFields = Pick<Profile, 'name' | 'host'> & Partial<Profile>;

/** The filters of `listRuns`; a run has to pass all that are given. */
export interface IRunFilters {
  connectionId?: string;
  runId?: string;
  status?: RunStatus | readonly RunStatus[];
  /** This path or below it. */
  path?: string;
  /** The first segment of the path. */
  project?: string;
  /** Words, each of which is in a name, path, id, tag, host or environment. */
  text?: string;
  /** Created then or later. */
  since?: Date;
  /** A condition, like `lr>1e-4 host:gpu1`. */
  where?: string;
  /** A name as in a condition, `-` before it for the greatest first; the newest come first by default. */
  sort?: string;
}

/** The options of the client itself. */
export interface IClientOptions {
  /** The Jupyter server's token; a page that is logged in by cookie needs none. */
  token?: string;
  /** A replacement of the global `fetch`. */
  fetch?: typeof fetch;
}
