/** What goes over the wire of `/api/remote`, and the arguments of the client: types only. */

/** How to authenticate to the SSH server. */
export type AuthMethod = 'key' | 'password' | 'agent';
/** The life of an SSH connection. */
export type ConnectionStatus = 'connecting' | 'connected' | 'reconnecting' | 'disconnected';
/** The life of a viewer. */
export type ViewerState = 'starting' | 'running' | 'reconnecting' | 'crashed' | 'stopped';
/** Whether a viewer answers; `unknown` while it starts, or cannot be reached. */
export type ViewerHealth = 'healthy' | 'unresponsive' | 'unknown';
/** The verdict of a health check. */
export type Health = 'healthy' | 'degraded' | 'unhealthy';
/** The result of a single check; `skip` where there is nothing to look at. */
export type CheckResult = 'pass' | 'fail' | 'skip';

/** The viewer that a connection holds. Times are RFC 3339. */
export interface IViewer {
  status: ViewerState;
  url: string | null;
  local_port: number | null;
  remote_port: number | null;
  pid: number | null;
  env_name: string | null;
  remote_root: string | null;
  runicorn_version: string | null;
  started_at: string | null;
  uptime_seconds: number;
  /** Null where there is none. */
  health: ViewerHealth | null;
}

/** One entry of `listConnections`. */
export interface IConnection {
  connection_id: string;
  host: string;
  port: number;
  username: string;
  status: ConnectionStatus;
  created_at: string;
  connected_since: string | null;
  reconnects: number;
  viewer: IViewer | null;
}

/** The answer to `connect` and `answerChallenge`. */
export interface IConnectResult {
  success: true;
  connection_id: string;
  host: string;
  port: number;
  username: string;
  status: ConnectionStatus;
  server_info: { hostname: string | null; os: string | null; python_version: string | null };
  created_at: string;
}

/** A Python environment of the remote host. */
export interface IEnvironment {
  name: string;
  type: 'conda' | 'venv' | 'pyenv' | 'system';
  python_version: string | null;
  python_path: string;
  prefix: string;
  runicorn_installed: boolean;
  runicorn_version: string | null;
  storage_root: string | null;
}

/** What a look at a remote host found. */
export interface IEnvironmentsLook {
  environments: IEnvironment[];
  /** English sentences on what could not be found out. */
  notes: string[];
  /** Folders that look like storage roots. */
  storage_candidates: string[];
}

/** A host key as a person compares it: the `details.host_key` of two errors. */
export interface IHostKey {
  host: string;
  port: number;
  key_type: string;
  fingerprint_sha256: string;
  public_key: string;
  expected_fingerprint_sha256?: string | null;
}

/** A question of the SSH server, or of an encrypted key. */
export interface IPrompt {
  text: string;
  echo: boolean;
}

/** An alias of the user's ssh config. */
export interface IHostAlias {
  alias: string;
  hostname: string;
  username: string;
  port: number;
  proxy_jump: string | null;
}

/** A saved connection; never holds a secret. */
export interface IProfile {
  name: string;
  host: string;
  username?: string | null;
  port?: number;
  auth_method?: AuthMethod;
  private_key_path?: string | null;
  timeout?: number;
  env_name?: string | null;
  remote_root?: string | null;
}

/** What was opened last on a host. */
export interface ILastChoice {
  /** As it was connected to. */
  host: string;
  username: string;
  env_name: string;
  remote_root: string | null;
}

/** One entry of `listKnownHosts`. */
export interface IKnownHost {
  host: string;
  port: number;
  key_type: string;
  fingerprint_sha256: string;
  revoked: boolean;
}

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

/** The life of a run. */
export type RunStatus = 'running' | 'finished' | 'failed' | 'interrupted';
/** A value of a metric; `Number` reads the words too. */
export type MetricValue = number | 'NaN' | 'Infinity' | '-Infinity';

/** A training run on one of the servers. Times are RFC 3339. */
export interface IRun {
  connection_id: string;
  host: string;
  env_name: string;
  remote_root: string | null;
  run_id: string;
  name: string | null;
  path: string | null;
  project: string | null;
  status: RunStatus;
  tags: string[];
  created_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  /** Of a run that has ended. */
  duration_seconds: number | null;
  /** The last one logged. */
  step: number | null;
  /** The last value of each. */
  metrics: Record<string, MetricValue>;
  /** The run's page in its viewer: goes behind `#!` of the viewer's `url`. */
  page: string;
}

/** A viewer's part of the runs. */
export interface IRunsServer {
  connection_id: string;
  host: string;
  env_name: string;
  remote_root: string | null;
  runicorn_version: string | null;
  total: number;
  /** False while the viewer still takes up its runs: more will come. */
  complete: boolean;
  as_of: string | null;
  age_seconds: number | null;
  error: { code: string; message: string } | null;
}

/** One answer about the runs of all servers. */
export interface IRunsAnswer {
  success: true;
  runs: IRun[];
  total: number;
  next_cursor: string | null;
  version: string;
  reset: boolean;
  removed: Array<{ connection_id: string; run_id: string }>;
  servers: IRunsServer[];
}

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
}

/** Metrics of a run: one column a metric, all as long as `steps`. */
export interface IRunMetrics {
  success: true;
  connection_id: string;
  run_id: string;
  steps: number[];
  /** Null: not logged at this step, or no finite number. */
  metrics: Record<string, Array<number | null>>;
  /** How many steps were logged. */
  total: number;
}

/** The options of the client itself. */
export interface IClientOptions {
  /** The Jupyter server's token; a page that is logged in by cookie needs none. */
  token?: string;
  /** A replacement of the global `fetch`. */
  fetch?: typeof fetch;
}
