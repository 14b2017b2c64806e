/**
 * The client of Runicorn's remote API, for JavaScript: one ES module without dependencies.
 *
 * It is served at `{base_url}runicorn/client.js` and runs in pages and in Node 18 or newer. The
 * methods, their arguments and their results are those of Runicorn's documented example class;
 * the option objects, the other methods and `RunicornError` go beyond it.
 */

import type * as api from './types.js';
import type { IRequest } from './request.js';

export type * from './types.js';

const COMPLETE_SECONDS = 30; // to wait for viewers that still take up their runs
const RUNS_A_PAGE = 2000; // the most that the server gives in one answer

/**
 * A failed call.
 *
 * `code` is one of the API's error codes, or `server_unreachable` (no answer from the Jupyter
 * server) or `unexpected_response` (an answer that is not of this API, as from a proxy).
 */
export class RunicornError extends Error {
  /** The error's code, for programs. */
  readonly code: string;
  /** Facts for programs; which ones depends on the code. */
  readonly details: Record<string, any>;
  /** The HTTP status, or 0 where there was no answer. */
  readonly status: number;

  constructor(
    code: string,
    message: string,
    options: { details?: Record<string, any> | null; status?: number; cause?: unknown } = {}
  ) {
    super(message);
    this.name = 'RunicornError';
    this.code = code;
    this.details = options.details ?? {};
    this.status = options.status ?? 0;
    if (options.cause !== undefined) {
      (this as { cause?: unknown }).cause = options.cause;
    }
  }
}

/** Connects to servers over SSH and shows their Runicorn viewers, through a Jupyter server. */
export class RunicornRemoteClient {
  /** The Jupyter server's URL, base path included, without a trailing slash. */
  readonly baseUrl: string;

  /**
   * @param baseUrl - The Jupyter server's URL with its base path, as `http://host:8888/user/me`.
   * @param options - The token, where one is needed.
   */
  constructor(baseUrl: string = 'http://localhost:23300', options: api.IClientOptions = {}) {
    this.baseUrl = baseUrl.replace(/\/+$/, '');
    this._token = options.token ?? '';
    this._fetch = options.fetch ?? null;
  }

  /** Connect to a host. A new connection each time, to the same host too. */
  async connect(options: api.IConnectOptions): Promise<api.ConnectResponse> {
    const { host, username, authMethod = 'key', port = 22, timeout, requestId, signal } = options;
    const body: Partial<api.ConnectRequest> = { host, port, username, auth_method: authMethod };
    if (authMethod === 'key') {
      if (options.privateKeyPath) {
        body.private_key_path = options.privateKeyPath;
      }
      if (options.keyPassphrase) {
        body.key_passphrase = options.keyPassphrase;
      }
    } else if (authMethod === 'password') {
      if (!options.password) {
        throw new Error('Password required');
      }
      body.password = options.password;
    }
    if (timeout) {
      body.timeout = timeout;
    }
    return this._call('connect', { method: 'POST', body, requestId, signal });
  }

  /** Answer the prompts of an `authentication_required`, in their order. */
  async answerChallenge(
    challengeId: string,
    responses: string[],
    options: { requestId?: string; signal?: AbortSignal } = {}
  ): Promise<api.ConnectResponse> {
    return this._call(`connect/${encodeURIComponent(challengeId)}`, {
      ...options,
      method: 'POST',
      body: { responses }
    });
  }

  /** Read again what a challenge asks for. */
  async getChallenge(challengeId: string): Promise<api.ChallengeResponse> {
    return this._call(`connect/${encodeURIComponent(challengeId)}`);
  }

  /** Give up a challenge, and the connection it belongs to. */
  async dropChallenge(challengeId: string): Promise<void> {
    await this._call(`connect/${encodeURIComponent(challengeId)}`, { method: 'DELETE' });
  }

  /** List all connections. */
  async listConnections(): Promise<api.ConnectionInfo[]> {
    return (await this._call<api.ConnectionsResponse>('connections')).connections;
  }

  /** Close a connection; its viewer ends too unless `cleanupViewer` is false. */
  async disconnect(connectionId: string, cleanupViewer = true): Promise<api.DisconnectResponse> {
    return this._call(`connections/${encodeURIComponent(connectionId)}`, {
      method: 'DELETE',
      query: { cleanup_viewer: cleanupViewer }
    });
  }

  /** List the Python environments of the host. */
  async listEnvironments(
    connectionId: string,
    filterType: api.EnvironmentsQuery['filter'] = 'all'
  ): Promise<api.Environment[]> {
    return (await this.readEnvironments(connectionId, filterType)).environments;
  }

  /** List the environments with what else was found, and what could not be found out. */
  async readEnvironments(
    connectionId: string,
    filterType: api.EnvironmentsQuery['filter'] = 'all'
  ): Promise<api.EnvironmentsResponse> {
    return this._call('environments', {
      query: { connection_id: connectionId, filter: filterType }
    });
  }

  /** Look for environments again; within a minute only if `forceRefresh` is set. */
  async detectEnvironments(
    connectionId: string,
    forceRefresh = false
  ): Promise<api.DetectResponse> {
    return this._call('environments/detect', {
      method: 'POST',
      body: { connection_id: connectionId, force_refresh: forceRefresh }
    });
  }

  /** Set up a private environment with Runicorn on the host, or find the one that is there. */
  async createEnvironment(
    connectionId: string,
    options: api.ICreateEnvironmentOptions = {}
  ): Promise<api.CreateEnvironmentResponse> {
    const { runicornVersion, python, bringPython, wheels = 'auto', ...request } = options;
    const chosen = { runicorn_version: runicornVersion, python, bring_python: bringPython, wheels };
    return this._call('environments/create', {
      method: 'POST',
      body: { connection_id: connectionId, ...chosen },
      ...request
    });
  }

  /** Cancel the `createEnvironment` that was sent with this `requestId`. */
  async cancelEnvironment(requestId: string): Promise<void> {
    await this._call(`environments/create/${encodeURIComponent(requestId)}`, { method: 'DELETE' });
  }

  /** Remove what `createEnvironment` has set up on the host, by this connection or an earlier one. */
  async removeEnvironment(
    connectionId: string,
    options: Pick<api.ICreateEnvironmentOptions, 'requestId' | 'signal'> = {}
  ): Promise<api.RemoveEnvironmentResponse> {
    const body = { connection_id: connectionId };
    return this._call('environments/remove', { method: 'POST', body, ...options });
  }

  /** Read the Runicorn configuration that an environment has. */
  async getRemoteConfig(connectionId: string, envName: string): Promise<api.ConfigResponse> {
    return this._call('config', { query: { connection_id: connectionId, env_name: envName } });
  }

  /** Start the viewer of an environment, adopt one that runs already, or replace the one that is held. */
  async startViewer(
    connectionId: string,
    envName: string,
    options: api.IStartViewerOptions = {}
  ): Promise<api.ViewerStartResponse> {
    const { remoteRoot, autoOpen = true, replace, requestId, signal } = options;
    const body: Partial<api.ViewerStartRequest> = {
      connection_id: connectionId,
      env_name: envName,
      auto_open: autoOpen
    };
    if (remoteRoot) {
      body.remote_root = remoteRoot;
    }
    if (replace) {
      body.replace = true;
    }
    return this._call('viewer/start', { method: 'POST', body, requestId, signal });
  }

  /**
   * Stop the viewer; `cleanup` also removes its log and state on the host.
   *
   * `ended` is false where the process stays for other connections that hold it.
   */
  async stopViewer(connectionId: string, cleanup = true): Promise<api.ViewerStopResponse> {
    return this._call('viewer/stop', {
      method: 'POST',
      body: { connection_id: connectionId, cleanup }
    });
  }

  /** Read the state of the viewer. */
  async getViewerStatus(connectionId: string): Promise<api.ViewerStatusResponse> {
    return this._call('viewer/status', { query: { connection_id: connectionId } });
  }

  /** Read the last lines that the viewer printed, oldest first. */
  async getViewerLogs(connectionId: string, lines = 100): Promise<string[]> {
    const answer = await this._call<api.LogsResponse>('viewer/logs', {
      query: { connection_id: connectionId, lines }
    });
    return answer.logs;
  }

  /** Check the connection, the viewer and the way to it. */
  async healthCheck(connectionId: string): Promise<api.HealthResponse> {
    return this._call('health', { query: { connection_id: connectionId } });
  }

  /** Measure one SSH round trip, in milliseconds. */
  async ping(connectionId: string): Promise<api.PingResponse> {
    return this._call('ping', { query: { connection_id: connectionId } });
  }

  /** Say how the machines of all connections are, and who uses their accelerators. */
  async listMachines(signal?: AbortSignal): Promise<api.Machine[]> {
    return (await this.readMachines({}, signal)).machines;
  }

  /** Read the machines that changed since the `version` of an answer; waits up to `wait` seconds for one. */
  async readMachines(
    options: { changedSince?: string; wait?: number } = {},
    signal?: AbortSignal
  ): Promise<api.MachinesResponse> {
    return this._call('machines', {
      query: { changed_since: options.changedSince, wait: options.wait },
      signal
    });
  }

  /** List the aliases of the user's ssh config. */
  async listHosts(): Promise<api.HostAlias[]> {
    return (await this._call<api.HostsResponse>('hosts')).hosts;
  }

  /** List the saved connections. */
  async listProfiles(): Promise<api.Profile[]> {
    return (await this.readProfiles()).profiles;
  }

  /** Read the saved connections, and what was opened last, the latest first. */
  async readProfiles(): Promise<api.ProfilesResponse> {
    return this._call('profiles');
  }

  /** Save a connection under its name. */
  async saveProfile(profile: api.ProfileFields): Promise<void> {
    await this._call('profiles', { method: 'POST', body: profile });
  }

  /** Forget a saved connection. */
  async deleteProfile(name: string): Promise<void> {
    await this._call('profiles', { method: 'DELETE', query: { name } });
  }

  /**
   * Save hosts of the ssh config as connections, each under its alias; none that is saved is replaced.
   *
   * @param aliases - Which ones; all by default.
   */
  async importProfiles(aliases?: readonly string[]): Promise<api.ProfilesImportResponse> {
    return this._call('profiles/import', { method: 'POST', body: aliases ? { aliases } : {} });
  }

  /**
   * List the runs of all viewers, newest first.
   *
   * A viewer that has just started takes up its runs one by one; that is waited for. A server that
   * cannot be reached is there with what was last known; `readRuns` tells of that.
   *
   * @param options - `completeWithin`: seconds to wait at most for viewers that still take up their
   *   runs (30); `onProgress`: called with those viewers each time that there is more.
   */
  async listRuns(
    filters: api.IRunFilters = {},
    signal?: AbortSignal,
    options: { completeWithin?: number; onProgress?: (servers: api.RunsServer[]) => void } = {}
  ): Promise<api.Run[]> {
    const { completeWithin = COMPLETE_SECONDS, onProgress } = options;
    let answer = await this.readRuns({ filters, signal });
    if (completeWithin > 0 && stillReading(answer.servers, filters).length) {
      const end = Date.now() + 1000 * completeWithin;
      const place = { connectionId: filters.connectionId };
      let reading: api.RunsServer[];
      let left: number;
      while (
        (reading = stillReading(answer.servers, filters)).length &&
        (left = (end - Date.now()) / 1000) > 0
      ) {
        onProgress?.(reading);
        const changedSince = answer.version;
        answer = await this.readRuns({
          filters: place,
          changedSince,
          wait: left,
          limit: 1,
          signal
        });
      }
      answer = await this.readRuns({ filters, signal });
    }
    const runs = answer.runs;
    while (answer.next_cursor !== null) {
      answer = await this.readRuns({ filters, cursor: answer.next_cursor, signal });
      runs.push(...answer.runs);
    }
    return runs;
  }

  /**
   * Read one page of the runs, or what changed since an answer.
   *
   * @param options - `cursor` is the `next_cursor` of the page before, `changedSince` the `version`
   *   of an earlier answer; either with the same filters. `wait`: with `changedSince`, seconds to
   *   wait for a change if there is none, at most 60; viewers that tell of changes are not asked first.
   */
  async readRuns(
    options: {
      filters?: api.IRunFilters;
      cursor?: string | null;
      changedSince?: string;
      limit?: number;
      wait?: number;
      signal?: AbortSignal;
    } = {}
  ): Promise<api.RunsResponse> {
    const { filters = {}, cursor, changedSince, limit = RUNS_A_PAGE, wait, signal } = options;
    const { connectionId, runId, status, path, project, text, since, where, sort } = filters;
    return this._call('runs', {
      query: {
        ...{ connection_id: connectionId, run_id: runId, path, project, text, where, sort },
        ...{ changed_since: changedSince, cursor, limit, wait },
        status: status && [status].flat().join(),
        since: since?.toISOString()
      },
      signal
    });
  }

  /**
   * Read metrics of a run over its steps.
   *
   * @param run - One of `listRuns`.
   * @param names - Which metrics; all by default.
   * @param options - `points`: how many steps at most; more are thinned out, and peaks kept.
   *   `sinceStep`, `version`: the last step and the version of an earlier answer; what is new comes then.
   *   `x`: `relative`: the times are seconds since the run's first step; else they are Unix seconds.
   */
  async runMetrics(
    run: Pick<api.Run, 'connection_id' | 'run_id'>,
    names?: readonly string[],
    options: {
      points?: number;
      sinceStep?: number;
      version?: string;
      x?: api.CurveAxis;
      signal?: AbortSignal;
    } = {}
  ): Promise<api.RunMetricsResponse> {
    const { connection_id, run_id } = run;
    const { points, sinceStep: since_step, version, x, signal } = options;
    return this._call('runs/metrics', {
      query: { connection_id, run_id, names: names?.join(), points, since_step, version, x },
      signal
    });
  }

  /**
   * Read metrics of several runs by one request, or what is new of them.
   *
   * @param runs - One to 100 of `listRuns`; one that has the `since_step` and `version` of an earlier
   *   answer too is answered by what is new.
   * @param names - Which metrics, 1 to 64.
   * @param options - As those of `runMetrics`.
   */
  async readCurves(
    runs: readonly api.CurveKey[],
    names: readonly string[],
    options: { points?: number; x?: api.CurveAxis; signal?: AbortSignal } = {}
  ): Promise<api.RunsCurvesResponse> {
    const { signal, ...rest } = options;
    const keys = runs.map(({ connection_id, run_id, since_step, version }) => ({
      connection_id,
      run_id,
      since_step,
      version
    }));
    return this._call('runs/curves', {
      method: 'POST',
      body: { runs: keys, names, ...rest },
      signal
    });
  }

  /**
   * Say what differs between runs: parameters, and how far metrics are from a baseline's.
   *
   * @param runs - Two to 200 of `listRuns`.
   * @param options - `baseline`: the place of the run that the others are held against (0);
   *   `metrics`: which ones, all by default.
   */
  async compareRuns(
    runs: readonly Pick<api.Run, 'connection_id' | 'run_id'>[],
    options: { baseline?: number; metrics?: readonly string[]; signal?: AbortSignal } = {}
  ): Promise<api.RunsCompareResponse> {
    const { signal, ...rest } = options;
    const keys = runs.map(({ connection_id, run_id }) => ({ connection_id, run_id }));
    return this._call('runs/compare', { method: 'POST', body: { runs: keys, ...rest }, signal });
  }

  /**
   * Put the runs of all viewers with the same values together.
   *
   * @param by - Names of parameters, or others as in a condition; at most 8.
   * @param options - `metric`: the one of which figures are wanted; `where`: a condition.
   */
  async groupRuns(
    by: readonly string[],
    options: { metric?: string; where?: string; signal?: AbortSignal } = {}
  ): Promise<api.RunsGroupsResponse> {
    const { signal, ...rest } = options;
    return this._call('runs/groups', { query: { by: by.join(), ...rest }, signal });
  }

  /** List the host keys that the user trusts. */
  async listKnownHosts(): Promise<api.KnownHost[]> {
    return (await this._call<api.KnownHostsResponse>('known-hosts')).known_hosts;
  }

  /** Trust a host key that a `host_key_unknown` offered. */
  async acceptKnownHost(key: api.KnownHostAccept): Promise<void> {
    const { host, port, public_key } = key;
    await this._call('known-hosts', { method: 'POST', body: { host, port, public_key } });
  }

  /** Forget the keys of a host. */
  async removeKnownHost(host: string, port = 22): Promise<void> {
    await this._call('known-hosts', { method: 'DELETE', query: { host, port } });
  }

  private async _call<T>(route: string, request: IRequest = {}): Promise<T> {
    const query = new URLSearchParams(
      Object.entries(request.query ?? {})
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([name, value]) => [name, String(value)])
    ).toString();
    const url = `${this.baseUrl}/api/remote/${route}${query && `?${query}`}`;
    const init: RequestInit = {
      method: request.method ?? 'GET',
      headers: this._headers(url, request),
      body: JSON.stringify(request.body), // undefined of undefined
      cache: 'no-store',
      signal: request.signal
    };
    const ask = async (): Promise<[Response, string]> => {
      const response = await (this._fetch ?? fetch)(url, init);
      return [response, await response.text()];
    };
    let answer: [Response, string];
    try {
      // A browser ends what is under way when the network changes, as to another Wi-Fi: what only reads is asked again.
      answer = await (init.method === 'GET' ? ask().catch(ask) : ask());
    } catch (reason) {
      if (request.signal?.aborted) {
        throw reason;
      }
      throw new RunicornError('server_unreachable', 'The Jupyter server does not answer.', {
        cause: reason
      });
    }
    return RunicornRemoteClient._parse(...answer);
  }

  private _headers(url: string, request: IRequest): Record<string, string> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (request.body !== undefined) {
      headers['Content-Type'] = 'application/json';
    }
    if (request.requestId) {
      headers['X-Request-Id'] = request.requestId;
    }
    if (this._token) {
      headers.Authorization = `token ${this._token}`;
    }
    // Jupyter compares this header with its cookie; it is for no other origin to see.
    if (typeof document !== 'undefined' && new URL(url, location.href).origin === location.origin) {
      const xsrf = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1];
      if (xsrf) {
        headers['X-XSRFToken'] = xsrf;
      }
    }
    return headers;
  }

  private static _parse<T>(response: Response, text: string): T {
    let data: any = null;
    try {
      data = JSON.parse(text);
    } catch {
      // Not of this API: said below, with the status.
    }
    if (response.ok && data?.success === true) {
      return data;
    }
    if (typeof data?.error === 'string' && typeof data.message === 'string') {
      throw new RunicornError(data.error, data.message, {
        details: data.details,
        status: response.status
      });
    }
    throw new RunicornError(
      'unexpected_response',
      `The server answered ${response.status} ${response.statusText}`.trim() + '.',
      { status: response.status }
    );
  }

  private readonly _token: string;
  private readonly _fetch: typeof fetch | null;
}

/** The viewers among these that still take up their runs; one with an error is not waited for. */
function stillReading(
  servers: readonly api.RunsServer[],
  filters: api.IRunFilters
): api.RunsServer[] {
  return servers.filter(
    server =>
      server.complete === false &&
      !server.error &&
      (filters.connectionId ?? server.connection_id) === server.connection_id
  );
}

export default RunicornRemoteClient;
