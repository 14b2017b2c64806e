/** Reads curves for a part of a view. */

import type { ISignal } from '@lumino/signaling';
import React from 'react';

import type { CurvesClient } from './host.js';
import { CurveReader, type IReading, type IWish } from './reader.js';
import { useLook } from './useLook.js';

/** What is read, and while somebody looks where. */
export interface ICurveReading {
  client: CurvesClient;
  /** Emitted when what could not be read may be there again. */
  retried: ISignal<unknown, void>;
  wish: IWish;
  /** The node that somebody looks at. */
  node: React.RefObject<HTMLElement>;
  /** How much is read at a time; the same object each time. */
  reading?: IReading;
  /** Called when somebody begins to look, and when nobody does any more. */
  onLook?: (isSeen: boolean) => void;
}

/** Read what is wished for as long as somebody looks; render anew, by another version, whenever something came. */
export function useCurveReader(options: ICurveReading): { reader: CurveReader; version: number } {
  const { client, retried, wish, node, reading, onLook } = options;
  const [version, render] = React.useReducer((count: number) => count + 1, 0);
  const reader = React.useMemo(() => new CurveReader(client, render, reading), [client, reading]);
  React.useEffect(() => () => reader.dispose(), [reader]);
  React.useEffect(() => reader.wish(wish), [reader, wish]);
  React.useEffect(() => {
    const retry = (): void => reader.retry();
    retried.connect(retry);
    return () => {
      retried.disconnect(retry);
    };
  }, [reader, retried]);
  useLook(
    node,
    React.useCallback(
      (isSeen: boolean) => {
        onLook?.(isSeen);
        reader.look(isSeen);
      },
      [reader, onLook]
    )
  );
  return { reader, version };
}
