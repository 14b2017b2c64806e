/** Asks for curves through the kernel, by a widget's messages: where the page's own server is another one. */

import { RunicornError, type CurveKey, type RunsCurvesResponse } from '../api/client.js';
import type { CurvesClient } from '../curves/host.js';

/** The widget's model, as anywidget gives it. */
export interface IModel {
  get(name: string): unknown;
  on(event: string, listener: (content: unknown) => void): void;
  off(event: string, listener: (content: unknown) => void): void;
  send(content: unknown): void;
}

interface IAnswer {
  kind: 'answer';
  id: string;
  answer?: RunsCurvesResponse;
  error?: { code: string; message: string };
}

interface IWaiting {
  resolve: (answer: RunsCurvesResponse) => void;
  reject: (reason: Error) => void;
}

/** Asks by messages; each answer has its question's id. */
export class KernelClient implements CurvesClient {
  constructor(private readonly model: IModel) {
    model.on('msg:custom', this._take);
  }

  /** Ask for curves. */
  readCurves(
    runs: readonly CurveKey[],
    names: readonly string[],
    options: { points?: number; signal?: AbortSignal } = {}
  ): Promise<RunsCurvesResponse> {
    const id = idOf();
    const { points, signal } = options;
    return new Promise((resolve, reject) => {
      this._waiting.set(id, { resolve, reject });
      signal?.addEventListener('abort', () => {
        this._waiting.delete(id);
        reject(new DOMException('Nobody waits for it.', 'AbortError'));
      });
      this.model.send({ kind: 'read', id, runs, names, points });
    });
  }

  /** Take no more answers. */
  dispose(): void {
    this.model.off('msg:custom', this._take);
    this._waiting.clear();
  }

  private readonly _take = (content: unknown): void => {
    const { kind, id, answer, error } = content as IAnswer;
    const waiting = kind === 'answer' ? this._waiting.get(id) : undefined;
    if (waiting) {
      this._waiting.delete(id);
      if (answer) {
        waiting.resolve(answer);
      } else {
        waiting.reject(new RunicornError(error!.code, error!.message));
      }
    }
  };

  private readonly _waiting = new Map<string, IWaiting>();
}

/** Make an id that no other view of the same widget has. */
export function idOf(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), part => part.toString(36)).join('');
}
