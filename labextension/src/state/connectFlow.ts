/**
 * Connecting and opening as a person experiences them: several requests with questions between.
 *
 * Everything that needs a person is behind `ConnectQuestions`, so the same flow serves the panel, the
 * commands and the notebook outputs, and is tested without any of them.
 */

import { Signal, type ISignal } from '@lumino/signaling';

import {
  RunicornError,
  type ConnectResponse,
  type HostKey,
  type IConnectOptions,
  type RemoteEvent,
  type RunicornRemoteClient,
  type Viewer
} from '../api/client.js';
import type { IQuestions } from './questions.js';
import type { RemoteStore } from './store.js';
import { holdsViewer } from './viewerLocation.js';

/** The questions that come up while connecting and opening. */
export type ConnectQuestions = Pick<IQuestions, 'trustHostKey' | 'answer' | 'replaceViewer'>;

/** A connecting under way in this page. */
export interface IAttempt {
  /** The request id that its progress events carry. */
  readonly id: string;
  readonly host: string;
  readonly startedAt: Date;
  /** Whether it waits for the person. */
  asking: boolean;
  /** Give up. */
  cancel(): void;
}

/** The person said no, or cancelled. */
export class Declined extends Error {
  constructor() {
    super('Cancelled.');
    this.name = 'Declined';
  }
}

/** A new id for a request, as the API takes it. */
export function newRequestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}

/** Connects and starts viewers, asking where the server wants to know more. */
export class ConnectFlow {
  constructor(client: RunicornRemoteClient, store: RemoteStore, questions: ConnectQuestions) {
    this._client = client;
    this._store = store;
    this._questions = questions;
    store.eventReceived.connect(this._onEvent, this);
  }

  /** Emitted when an attempt begins, asks or ends. */
  get attemptsChanged(): ISignal<this, void> {
    return this._attemptsChanged;
  }

  /** What is being connected from this page. */
  get attempts(): readonly IAttempt[] {
    return this._attempts;
  }

  /**
   * Connect, asking about an unknown host key and whatever the server wants to know.
   *
   * @throws Declined - if the person said no or cancelled.
   * @throws RunicornError - if the server refused.
   */
  async connect(options: IConnectOptions): Promise<ConnectResponse> {
    const controller = new AbortController();
    const attempt: IAttempt = {
      id: newRequestId(),
      host: options.host,
      startedAt: new Date(),
      asking: false,
      cancel: () => controller.abort()
    };
    this._attempts = [...this._attempts, attempt];
    this._attemptsChanged.emit();
    try {
      const request = { ...options, requestId: attempt.id, signal: controller.signal };
      const result = await this._withHostKey(attempt, () => this._client.connect(request), {
        requestId: attempt.id,
        signal: controller.signal
      });
      await this._store.refresh();
      return result;
    } catch (reason) {
      throw controller.signal.aborted ? new Declined() : reason;
    } finally {
      this._attempts = this._attempts.filter(other => other !== attempt);
      this._store.clearStep(attempt.id);
      this._attemptsChanged.emit();
    }
  }

  /**
   * Make sure that a connection shows a viewer, and have the front ends show it.
   *
   * The running one is used where it is the wanted one; another is replaced if the person agrees.
   *
   * @throws Declined - if the person would rather keep the running one.
   * @throws RunicornError - if it can't be started.
   */
  async startViewer(
    connectionId: string,
    envName: string,
    options: { remoteRoot?: string; autoOpen?: boolean } = {}
  ): Promise<Viewer> {
    const start = async (): Promise<Viewer> =>
      (await this._client.startViewer(connectionId, envName, options)).viewer;
    try {
      const held = this._store.connection(connectionId)?.viewer;
      if (!held || held.status === 'stopped') {
        try {
          return await start();
        } catch (reason) {
          // Another page was faster.
          if (!(reason instanceof RunicornError) || reason.code !== 'viewer_already_running') {
            throw reason;
          }
        }
        await this._store.refresh();
      }
      if (!(await this._takesPlace(connectionId, envName, options.remoteRoot))) {
        return this._store.connection(connectionId)!.viewer!;
      }
      if (this._store.connection(connectionId)?.viewer) {
        await this._client.stopViewer(connectionId);
      }
      return await start();
    } finally {
      this._store.clearStep(connectionId);
      await this._store.refresh();
    }
  }

  /**
   * End the viewer that a connection holds, by force if need be, and start it anew under its URL.
   *
   * @throws RunicornError - if it can't be started.
   */
  async restartViewer(connectionId: string): Promise<void> {
    const held = this._store.connection(connectionId)?.viewer;
    try {
      await this._client.startViewer(connectionId, held?.env_name ?? '', {
        remoteRoot: held?.remote_root ?? undefined,
        autoOpen: false,
        replace: true
      });
    } finally {
      this._store.clearStep(connectionId);
      await this._store.refresh();
    }
  }

  /**
   * Whether a viewer is to take the place of the one that a connection holds; false if it is that one.
   *
   * @throws Declined - if the person would rather keep the other one.
   */
  private async _takesPlace(
    connectionId: string,
    envName: string,
    root?: string
  ): Promise<boolean> {
    const connection = this._store.connection(connectionId);
    const held = connection?.viewer;
    if (!held || held.status === 'crashed') {
      return true;
    }
    const wanted = { host: connection.host, env_name: envName, remote_root: root ?? null };
    if (holdsViewer(connection, wanted)) {
      return false;
    }
    if (!(await this._questions.replaceViewer(held, wanted))) {
      throw new Declined();
    }
    return true;
  }

  private async _withHostKey(
    attempt: IAttempt,
    connect: () => Promise<ConnectResponse>,
    options: { requestId: string; signal: AbortSignal }
  ): Promise<ConnectResponse> {
    for (;;) {
      try {
        return await this._withChallenges(attempt, connect, options);
      } catch (reason) {
        if (!(reason instanceof RunicornError) || reason.code !== 'host_key_unknown') {
          throw reason;
        }
        const key = reason.details.host_key as HostKey;
        if (!(await this._asking(attempt, () => this._questions.trustHostKey(key)))) {
          throw new Declined();
        }
        // A host behind jump hosts has several keys, each of which is asked about in turn.
        await this._client.acceptKnownHost(key);
      }
    }
  }

  private async _withChallenges(
    attempt: IAttempt,
    connect: () => Promise<ConnectResponse>,
    options: { requestId: string; signal: AbortSignal }
  ): Promise<ConnectResponse> {
    let next = connect;
    for (;;) {
      try {
        return await next();
      } catch (reason) {
        if (!(reason instanceof RunicornError) || reason.code !== 'authentication_required') {
          throw reason;
        }
        const { challenge_id: id, instruction, prompts, server_message } = reason.details;
        const answers = await this._asking(attempt, () =>
          this._questions.answer(attempt.host, instruction ?? '', prompts, server_message ?? '')
        );
        if (answers === null || options.signal.aborted) {
          await this._drop(id);
          throw new Declined();
        }
        next = () => this._client.answerChallenge(id, answers, options);
      }
    }
  }

  private async _asking<T>(attempt: IAttempt, ask: () => Promise<T>): Promise<T> {
    attempt.asking = true;
    this._attemptsChanged.emit();
    try {
      return await ask();
    } finally {
      attempt.asking = false;
      this._attemptsChanged.emit();
    }
  }

  private async _drop(challengeId: string): Promise<void> {
    try {
      await this._client.dropChallenge(challengeId);
    } catch (reason) {
      // It may have expired or been answered elsewhere, which comes to the same.
      if (!(reason instanceof RunicornError) || reason.code !== 'not_found') {
        throw reason;
      }
    }
  }

  /** A connection that is being re-established asks; nobody's request waits for the answer. */
  private _onEvent(_: RemoteStore, event: RemoteEvent): void {
    const id = event.challenge_id;
    if (event.type !== 'challenge' || !id || event.request_id || !event.connection_id) {
      return;
    }
    const connection = this._store.connection(event.connection_id);
    if (connection) {
      void this._answer(id, connection.host);
    }
  }

  private async _answer(id: string, host: string): Promise<void> {
    try {
      const { instruction, prompts, server_message } = await this._client.getChallenge(id);
      const answers = await this._questions.answer(
        host,
        instruction,
        prompts,
        server_message ?? ''
      );
      await (answers === null ? this._drop(id) : this._client.answerChallenge(id, answers));
    } catch (reason) {
      // The connection's own state tells how it went; what's left is a question answered elsewhere.
      if (!(reason instanceof RunicornError)) {
        throw reason;
      }
    }
  }

  private readonly _client: RunicornRemoteClient;
  private readonly _store: RemoteStore;
  private readonly _questions: ConnectQuestions;
  private readonly _attemptsChanged = new Signal<this, void>(this);
  private _attempts: readonly IAttempt[] = [];
}
