/**
 * The machines behind the connections, as far as a page shows them.
 *
 * The server looks at them only while somebody asks. So one request after the other waits there for a
 * change, for as long as a view can be seen, and none otherwise.
 */

import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import type { Machine, MachineDisk, Run, RunicornRemoteClient, RunKey } from '../api/client.js';
import { keyOfRun } from './runs.js';
import type { RemoteStore } from './store.js';

/** How long a request waits for a change; proxies often end one that takes a minute. */
const WAIT_SECONDS = 25;
/** Between an answer and the next request: what changes meanwhile comes with that. */
const PAUSE_MILLISECONDS = 500;
/** A disk with less is almost full: a checkpoint would not fit. */
const LOW_DISK_SHARE = 0.05;
const LOW_DISK_BYTES = 5e9;

type MachinesClient = Pick<RunicornRemoteClient, 'readMachines' | 'readRuns'>;

/** Waits; resolves early when the signal is aborted. */
type Pause = (milliseconds: number, signal: AbortSignal) => Promise<void>;

function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Whether a disk is almost full. */
export function isDiskLow(disk: MachineDisk): boolean {
  return disk.free < LOW_DISK_BYTES || disk.free < LOW_DISK_SHARE * disk.total;
}

/** The machines, and the runs that use their accelerators. */
export class MachinesStore {
  /**
   * @param pause - Waits between two requests.
   */
  constructor(client: MachinesClient, remote: RemoteStore, pause: Pause = pauseFor) {
    this._client = client;
    this._remote = remote;
    this._pause = pause;
    remote.changed.connect(() => this._update());
    remote.resumed.connect(() => this.retry());
  }

  /** Emitted after anything changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The machines, in the order of the connections; null before the first answer. */
  get machines(): readonly Machine[] | null {
    return this._machines;
  }

  /** Why the last request failed, or null. */
  get error(): unknown {
    return this._error;
  }

  /** Find the machine behind a connection. */
  machine(connectionId: string): Machine | undefined {
    return this._machines?.find(machine => machine.connection_id === connectionId);
  }

  /** Find a run that uses an accelerator, as far as it was read. */
  run(key: RunKey): Run | undefined {
    return this._runs.get(keyOfRun(key));
  }

  /**
   * Keep the machines up to date for as long as the result lives.
   *
   * @param hasUse - Whether the follower shows anything of them now; see `reconsider`.
   */
  follow(hasUse: () => boolean = () => true): IDisposable {
    const follower = { hasUse };
    this._followers.add(follower);
    this._update();
    return new DisposableDelegate(() => {
      this._followers.delete(follower);
      this._update();
    });
  }

  /** Keep them up to date for those who show only what is used or runs out, if one has such. */
  followUsed(): IDisposable {
    return this.follow(() =>
      this._remote.connections.some(({ connection_id: id }) => !this._bare.has(id))
    );
  }

  /** Begin to ask, or stop, where the use that a follower has of the machines has changed. */
  reconsider(): void {
    this._update();
  }

  /** The runs that use accelerators of a connection's machine, as far as they were read. */
  runsOn(connectionId: string): Run[] {
    return [...this._runs.values()].filter(run => run.connection_id === connectionId);
  }

  /** Ask again after a request has failed. */
  retry(): void {
    this._error = null;
    this._update();
  }

  /** Ask, or stop asking. */
  private _update(): void {
    const wanted =
      this._error === null &&
      this._remote.connections.length > 0 &&
      [...this._followers].some(follower => follower.hasUse());
    if (wanted && this._asking === null) {
      this._asking = new AbortController();
      void this._ask(this._asking.signal);
    } else if (!wanted && this._asking !== null) {
      this._asking.abort();
      this._asking = null;
      // Nobody is told any more what they are like.
      this._machines = null;
      this._version = '';
      this._changed.emit();
    }
  }

  private async _ask(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const changedSince = this._version || undefined;
        const wait = changedSince === undefined ? undefined : WAIT_SECONDS;
        const answer = await this._client.readMachines({ changedSince, wait }, signal);
        if (signal.aborted) {
          return;
        }
        const isWhole = changedSince === undefined || answer.reset;
        const known = isWhole ? [] : (this._machines ?? []);
        const gone = new Set(answer.removed);
        const byId = new Map(
          [...known, ...answer.machines]
            .filter(machine => !gone.has(machine.connection_id))
            .map(machine => [machine.connection_id, machine])
        );
        this._machines = [...byId.values()];
        this._version = answer.version;
        this._noteBare();
        this._readRuns();
        this._changed.emit();
        this._update();
        await this._pause(PAUSE_MILLISECONDS, signal);
      }
    } catch (error) {
      if (!signal.aborted) {
        this._asking = null;
        this._error = error;
        this._changed.emit();
      }
    }
  }

  /** Note the machines that have no accelerator, and of which nothing runs out. */
  private _noteBare(): void {
    const connected = new Set(this._remote.connections.map(each => each.connection_id));
    for (const id of [...this._bare].filter(each => !connected.has(each))) {
      this._bare.delete(id);
    }
    for (const { connection_id: id, gpus, error, disk } of this._machines ?? []) {
      if (gpus?.length === 0 && error === null && !(disk && isDiskLow(disk))) {
        this._bare.add(id);
      } else {
        this._bare.delete(id);
      }
    }
  }

  /** Read the runs that use accelerators, each once; forget the others. */
  private _readRuns(): void {
    const used = new Map<string, RunKey>();
    for (const { gpus } of this._machines ?? []) {
      for (const { run } of (gpus ?? []).flatMap(gpu => gpu.processes)) {
        if (run) {
          used.set(keyOfRun(run), run);
        }
      }
    }
    for (const key of [...this._asked].filter(each => !used.has(each))) {
      this._asked.delete(key);
      this._runs.delete(key);
    }
    for (const [key, run] of used) {
      if (!this._asked.has(key)) {
        this._asked.add(key);
        void this._readRun(run);
      }
    }
  }

  private async _readRun(key: RunKey): Promise<void> {
    try {
      const filters = { connectionId: key.connection_id, runId: key.run_id };
      const [run] = (await this._client.readRuns({ filters, limit: 1 })).runs;
      if (run && this._asked.has(keyOfRun(run))) {
        this._runs.set(keyOfRun(run), run);
        this._changed.emit();
      }
    } catch {
      // It is shown by its id.
    }
  }

  private readonly _client: MachinesClient;
  private readonly _remote: RemoteStore;
  private readonly _pause: Pause;
  private readonly _changed = new Signal<this, void>(this);
  private readonly _followers = new Set<{ hasUse: () => boolean }>();
  /** The connections whose machines have nothing that is used or runs out. */
  private readonly _bare = new Set<string>();
  private _asking: AbortController | null = null;
  private _machines: readonly Machine[] | null = null;
  private _version = '';
  private _error: unknown = null;
  private readonly _runs = new Map<string, Run>();
  /** The keys of the runs that were asked for. */
  private readonly _asked = new Set<string>();
}
