/**
 * What the front end knows of the server: kept up to date by events, never by polling.
 *
 * An event only says what changed; the state is then read again through the API, so the page
 * shows what the server says and nothing else. Bursts of events cost one read.
 */

import { Signal, type ISignal } from '@lumino/signaling';

import type {
  ConnectionInfo,
  Environment,
  HostAlias,
  LastChoice,
  Profile,
  RemoteEvent,
  RunicornRemoteClient,
  SetupPlan,
  StorageRoot
} from '../api/client.js';
import { CoalescedTask } from './coalesce.js';
import { holdsViewer, isAtHost, type ViewerLocation } from './viewerLocation.js';

/** The step that long work has reached. */
export interface IStep {
  /** The server's word for the step, or ''. */
  step: string;
  /** The server's sentence about it, or ''. */
  message: string;
  /** What the SSH server says meanwhile, of several lines, or ''. */
  said: string;
}

/** A measured round trip. */
export interface ILatency {
  ms: number;
  at: Date;
}

/** The environments of a connection: not asked for, being read, known, or why not. */
export interface IEnvironmentList {
  loading: boolean;
  list: readonly Environment[] | null;
  error: unknown;
  /** English sentences on what could not be found out. */
  notes: readonly string[];
  /** Folders that look like storage roots. */
  candidates: readonly string[];
  /** The same, with how many runs each has. */
  roots: readonly StorageRoot[];
  /** What setting up Runicorn there would do; null where nothing can be done. */
  setup: SetupPlan | null;
}

const FRAME_MILLISECONDS = 16;
/** Of how much work the step is kept. */
const MOST_STEPS = 256;

const UNREAD: IEnvironmentList = {
  loading: false,
  list: null,
  error: null,
  notes: [],
  candidates: [],
  roots: [],
  setup: null
};

type StoreClient = Pick<
  RunicornRemoteClient,
  | 'listConnections'
  | 'readEnvironments'
  | 'detectEnvironments'
  | 'listHosts'
  | 'readProfiles'
  | 'ping'
>;

/** The step that work is at after an event; a server's words are none, and stay beside the next one. */
function stepAfter(before: IStep | undefined, event: RemoteEvent): IStep {
  if (event.step === 'message') {
    return { step: before?.step ?? '', message: before?.message ?? '', said: event.text ?? '' };
  }
  return { step: event.step ?? '', message: event.message ?? '', said: before?.said ?? '' };
}

/** The state that panels, tabs and outputs show. */
export class RemoteStore {
  constructor(client: StoreClient) {
    this._client = client;
  }

  /** Emitted after anything changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted for each event of the server, after the state took note of it. */
  get eventReceived(): ISignal<this, RemoteEvent> {
    return this._eventReceived;
  }

  /** Emitted when events come again: what happened meanwhile has to be read. */
  get resumed(): ISignal<this, void> {
    return this._resumed;
  }

  /** All connections, as the server last said. */
  get connections(): readonly ConnectionInfo[] {
    return this._connections;
  }

  /** Whether the connections were read at least once. */
  get isLoaded(): boolean {
    return this._loaded;
  }

  /** Why the last reading of the connections failed, or null. */
  get error(): unknown {
    return this._error;
  }

  /** The aliases of the ssh config. */
  get hosts(): readonly HostAlias[] {
    return this._hosts;
  }

  /** The saved connections. */
  get profiles(): readonly Profile[] {
    return this._profiles;
  }

  /** What was opened last on the host of a connection, as its user. */
  lastChoice(connection: ConnectionInfo): LastChoice | undefined {
    return this._recent.find(
      item => item.host === connection.host && item.username === connection.username
    );
  }

  /** Find a connection by its id. */
  connection(id: string): ConnectionInfo | undefined {
    return this._connections.find(connection => connection.connection_id === id);
  }

  /**
   * Find the connection for a viewer: one that holds it, else one to its host.
   *
   * Among several a connected one wins.
   */
  find(at: ViewerLocation): ConnectionInfo | undefined {
    const best = (list: ConnectionInfo[]): ConnectionInfo | undefined =>
      list.find(connection => connection.status === 'connected') ?? list[0];
    return (
      best(this._connections.filter(connection => holdsViewer(connection, at))) ??
      best(
        this._connections.filter(
          connection => isAtHost(connection, at) && connection.status !== 'disconnected'
        )
      )
    );
  }

  /** The step that work under this connection or request id has reached. */
  step(id: string): IStep | undefined {
    return this._steps.get(id);
  }

  /** Forget the step of finished work. */
  clearStep(id: string): void {
    if (this._steps.delete(id)) {
      this._changed.emit();
    }
  }

  /** The last measured latency of a connection. */
  latency(id: string): ILatency | undefined {
    return this._latencies.get(id);
  }

  /** The environments of a connection, as far as they are known. */
  environments(id: string): IEnvironmentList {
    return this._environments.get(id) ?? UNREAD;
  }

  /** Take note of an event of the server. */
  handleEvent(event: RemoteEvent): void {
    const id = event.connection_id;
    switch (event.type) {
      case 'progress':
        for (const key of [event.request_id, id]) {
          if (key) {
            this._setStep(key, stepAfter(this._steps.get(key), event));
          }
        }
        break;
      case 'environments':
        if (id && this._environments.has(id)) {
          void this.readEnvironments(id);
        }
        break;
      case 'profiles':
        void this.readSuggestions();
        break;
      case 'challenge':
      case 'run':
      case 'runs':
      case 'machines':
      case 'more':
        break;
      default:
        if (id && (event.type === 'closed' || event.status === 'connected')) {
          this._steps.delete(id);
        }
        void this.refresh();
    }
    this._eventReceived.emit(event);
  }

  /** Take note that events come from now on. */
  resume(): void {
    void this.refresh();
    this._resumed.emit();
  }

  /**
   * Read the connections again.
   *
   * Calls during a reading share one further reading, which begins after it.
   */
  refresh(): Promise<void> {
    return this._reading.run();
  }

  /** Read aliases and profiles again; calls during a reading share one further reading. */
  readSuggestions(): Promise<void> {
    return this._suggesting.run();
  }

  private async _readSuggestions(): Promise<void> {
    const [hosts, profiles] = await Promise.allSettled([
      this._client.listHosts(),
      this._client.readProfiles()
    ]);
    // Suggestions help with typing; without them the form works as well.
    if (hosts.status === 'fulfilled') {
      this._hosts = hosts.value;
    }
    if (profiles.status === 'fulfilled') {
      this._profiles = profiles.value.profiles;
      this._recent = profiles.value.recent;
    }
    this._changed.emit();
  }

  /** Read the environments of a connection; `detect` looks for them anew. */
  async readEnvironments(id: string, detect = false): Promise<void> {
    const before = this.environments(id);
    if (before.loading) {
      this._outdated.add(id);
      return;
    }
    this._setEnvironments(id, { ...before, loading: true, error: null });
    try {
      const found = detect
        ? await this._client.detectEnvironments(id, true)
        : await this._client.readEnvironments(id);
      const { environments: list, notes, storage_candidates: candidates } = found;
      const { storage_roots: roots, setup } = found;
      this._setEnvironments(id, {
        ...{ loading: false, error: null, list, notes, candidates, roots },
        setup
      });
    } catch (error) {
      this._setEnvironments(id, { ...before, loading: false, error });
    } finally {
      this.clearStep(id);
    }
    if (this._outdated.delete(id) && this.connection(id)) {
      await this.readEnvironments(id);
    }
  }

  /** Measure the latency of a connection. */
  async measure(id: string): Promise<void> {
    try {
      const { latency_ms } = await this._client.ping(id);
      this._latencies.set(id, { ms: latency_ms, at: new Date() });
    } catch {
      // A connection that went down says so by an event; an old figure would mislead.
      this._latencies.delete(id);
    }
    this._changed.emit();
  }

  /** Many steps in a frame are one change. */
  private _setStep(key: string, step: IStep): void {
    // Others' requests are never forgotten by those that wait for them here.
    this._steps.delete(key);
    this._steps.set(key, step);
    for (const oldest of [...this._steps.keys()].slice(0, -MOST_STEPS)) {
      this._steps.delete(oldest);
    }
    this._frame ??= setTimeout(() => {
      this._frame = null;
      this._changed.emit();
    }, FRAME_MILLISECONDS);
  }

  private async _read(): Promise<void> {
    try {
      const before = new Map(this._connections.map(item => [item.connection_id, item]));
      this._connections = await this._client.listConnections();
      this._loaded = true;
      this._error = null;
      const ids = new Set(this._connections.map(item => item.connection_id));
      for (const map of [this._environments, this._latencies]) {
        for (const id of [...map.keys()].filter(key => !ids.has(key))) {
          map.delete(id);
        }
      }
      for (const { connection_id: id, status } of this._connections) {
        if (status !== 'connected') {
          this._latencies.delete(id);
        } else if (before.get(id)?.status !== 'connected') {
          void this.measure(id);
        }
      }
    } catch (error) {
      this._error = error;
    }
    this._changed.emit();
  }

  private _setEnvironments(id: string, value: IEnvironmentList): void {
    this._environments.set(id, value);
    this._changed.emit();
  }

  private readonly _client: StoreClient;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _eventReceived = new Signal<this, RemoteEvent>(this);
  private readonly _resumed = new Signal<this, void>(this);
  private readonly _steps = new Map<string, IStep>();
  private _frame: ReturnType<typeof setTimeout> | null = null;
  private readonly _latencies = new Map<string, ILatency>();
  /** The connections whose environments changed while they were being read. */
  private readonly _outdated = new Set<string>();
  private readonly _environments = new Map<string, IEnvironmentList>();
  private _connections: readonly ConnectionInfo[] = [];
  private _hosts: readonly HostAlias[] = [];
  private _profiles: readonly Profile[] = [];
  private _recent: readonly LastChoice[] = [];
  private _loaded = false;
  private _error: unknown = null;
  private readonly _reading = new CoalescedTask(() => this._read());
  private readonly _suggesting = new CoalescedTask(() => this._readSuggestions());
}
