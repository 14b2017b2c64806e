/** The server's events, from Jupyter's own event bus. */

import { EventManager, ServerConnection } from '@jupyterlab/services';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

import type { RemoteEvent } from '../api/client.js';
import { EVENT_SCHEMA } from '../ids.js';
import type { RemoteStore } from './store.js';

/**
 * Keep a store up to date for as long as the result lives.
 *
 * What happened while the socket was down is made good by reading everything again each time
 * it opens. JupyterLab's shared event manager doesn't tell when that is, so this is one of our
 * own, with the same reconnecting.
 */
export function followEvents(
  store: RemoteStore,
  settings: ServerConnection.ISettings
): IDisposable {
  class ObservedWebSocket extends settings.WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('open', () => store.resume());
    }
  }
  const manager = new EventManager({
    serverSettings: { ...settings, WebSocket: ObservedWebSocket },
    standby: 'never'
  });
  manager.stream.connect((_, emission) => {
    if (emission.schema_id === EVENT_SCHEMA) {
      store.handleEvent(emission as unknown as RemoteEvent);
    }
  });
  return new DisposableDelegate(() => manager.dispose());
}
