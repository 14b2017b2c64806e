/**
 * The runs of all servers, as far as a page shows them: kept up to date by events, never by polling.
 *
 * Only what changed is asked for, and only as long as somebody follows.
 */

import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type {
  IRunFilters,
  RemoteEvent,
  Run,
  RunicornRemoteClient,
  RunsResponse,
  RunsServer
} from '../api/client.js';
import { CoalescedTask } from './coalesce.js';
import type { RemoteStore } from './store.js';

/** The events after which the runs may be others. */
const EVENTS: ReadonlySet<RemoteEvent['type']> = new Set([
  'run',
  'runs',
  'viewer',
  'connection',
  'closed'
]);

/**
 * Seconds for which a change is waited for that an event has told of: it is there already. Who waits is
 * answered by what the viewers have told, and those that tell of each change are not asked anew.
 */
const TOLD_SECONDS = 0.1;

/** Return a run's key among the runs of all servers. */
export function keyOfRun(run: Pick<Run, 'connection_id' | 'run_id'>): string {
  return `${run.connection_id}/${run.run_id}`;
}

/** Compare two runs as the server sorts them: the newest first. */
export function newestFirst(a: Run, b: Run): number {
  return (
    Date.parse(b.created_at ?? '1970') - Date.parse(a.created_at ?? '1970') ||
    compare(b.connection_id, a.connection_id) ||
    compare(b.run_id, a.run_id)
  );
}

function compare(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}

/** The runs. */
export class RunsStore implements IDisposable {
  /**
   * @param filters - What the runs have to pass; by default it is all of them.
   */
  constructor(
    client: Pick<RunicornRemoteClient, 'readRuns'>,
    remote: RemoteStore,
    filters?: IRunFilters
  ) {
    this._client = client;
    // A request without filters has no such field.
    this._options = filters ? { filters, signal: this._abort.signal } : {};
    remote.eventReceived.connect(this._onEvent, this);
    remote.resumed.connect(this._onResumed, this);
  }

  /** Whether this is over. */
  get isDisposed(): boolean {
    return this._abort.signal.aborted;
  }

  /** Follow and read no more. */
  dispose(): void {
    this._abort.abort();
    Signal.clearData(this);
  }

  /** Emitted after anything changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The runs, newest first. */
  get runs(): readonly Run[] {
    return this._runs;
  }

  /** Each viewer's part. */
  get servers(): readonly RunsServer[] {
    return this._servers;
  }

  /** Whether they are being read. */
  get loading(): boolean {
    return this._reading.isRunning;
  }

  /** Why the last reading failed, or null. */
  get error(): unknown {
    return this._error;
  }

  /** Keep the runs up to date for as long as the result lives. */
  follow(): IDisposable {
    this._followers += 1;
    void this.refresh();
    return new DisposableDelegate(() => {
      this._followers -= 1;
    });
  }

  /** Ask the viewers, and read what changed; calls during a reading share one further reading. */
  refresh(): Promise<void> {
    this._isTold = false;
    return this._reading.run();
  }

  /** Read everything again, if anybody follows. */
  async readAll(): Promise<void> {
    if (this._followers > 0) {
      this._version = '';
      await this.refresh();
    }
  }

  private _onEvent(_: RemoteStore, event: RemoteEvent): void {
    if (EVENTS.has(event.type) && this._followers > 0) {
      void this._reading.run();
    }
  }

  private _onResumed(): void {
    if (this._followers > 0) {
      void this.refresh();
    }
  }

  private async _read(): Promise<void> {
    const isTold = this._isTold;
    this._isTold = true;
    try {
      const version = this._version;
      const changedSince = version || undefined;
      const wait = version && isTold ? { wait: TOLD_SECONDS } : {};
      const answer = await this._client.readRuns({ ...this._options, changedSince, ...wait });
      const isWhole = answer.reset || changedSince === undefined;
      const byKey = isWhole ? new Map<string, Run>() : new Map(this._byKey);
      let isSorted = !isWhole;
      const take = (runs: readonly Run[]): void => {
        for (const run of runs) {
          isSorted &&= byKey.has(keyOfRun(run));
          byKey.set(keyOfRun(run), run);
        }
      };
      take(answer.runs);
      for (let page = answer; page.next_cursor !== null; take(page.runs)) {
        page = await this._client.readRuns({ ...this._options, cursor: page.next_cursor });
      }
      this._forget(byKey, answer);
      // What changes while pages are read is told by the first page's version.
      if (this._version === version) {
        this._version = answer.version; // else all was asked for meanwhile, which comes next
      }
      this._servers = answer.servers;
      if (isWhole || answer.runs.length > 0 || byKey.size !== this._byKey.size) {
        // A run that was there keeps its place in the map, and with it in the order.
        this._runs = isSorted ? [...byKey.values()] : [...byKey.values()].sort(newestFirst);
        this._byKey = new Map(this._runs.map(run => [keyOfRun(run), run]));
      }
      this._error = null;
    } catch (error) {
      this._error = error;
    }
  }

  /** Take out the runs that are gone. */
  private _forget(byKey: Map<string, Run>, answer: RunsResponse): void {
    for (const gone of answer.removed) {
      byKey.delete(keyOfRun(gone));
    }
    const asked = new Set(answer.servers.map(server => server.connection_id));
    if (this._servers.some(server => !asked.has(server.connection_id))) {
      for (const [key, run] of byKey) {
        if (!asked.has(run.connection_id)) {
          byKey.delete(key);
        }
      }
    }
  }

  private readonly _client: Pick<RunicornRemoteClient, 'readRuns'>;
  private readonly _options: { filters?: IRunFilters; signal?: AbortSignal };
  private readonly _abort = new AbortController();
  private readonly _changed = new Signal<this, void>(this);
  private _followers = 0;
  private _byKey = new Map<string, Run>();
  private _runs: readonly Run[] = [];
  private _servers: readonly RunsServer[] = [];
  private _version = '';
  /** Whether what is to be read was told by an event, which is why it is read. */
  private _isTold = false;
  private _error: unknown = null;
  private readonly _reading = new CoalescedTask(
    () => this._read(),
    () => this._changed.emit()
  );
}
