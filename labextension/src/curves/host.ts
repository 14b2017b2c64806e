/** What the charts need of the page that they are drawn in: JupyterLab, or any other that shows widgets. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';
import React from 'react';

import type { Run, RunicornRemoteClient } from '../api/client.js';
import type { Dates } from '../ui/dates.js';

/** A run, as far as its curves are concerned. */
export type CurveRun = Pick<
  Run,
  'connection_id' | 'run_id' | 'name' | 'host' | 'env_name' | 'status'
>;

/** Asks for curves. */
export type CurvesClient = Pick<RunicornRemoteClient, 'readCurves'>;

/** The page. */
export interface ICurvesHost {
  readonly client: CurvesClient;
  readonly trans: TranslationBundle;
  readonly dates: Dates;
  /** Emitted when what could not be read may be there again. */
  readonly retried: ISignal<unknown, void>;
  /** Emitted when the page's colours are others. */
  readonly repainted: ISignal<unknown, void>;
  /** Copy a text to the clipboard. */
  copy(text: string): Promise<void>;
}

/** Gives the charts their page. */
export const CurvesHost = React.createContext<ICurvesHost | null>(null);

/** Return the page. */
export function useCurvesHost(): ICurvesHost {
  const host = React.useContext(CurvesHost);
  if (host === null) {
    throw new Error('CurvesHost is missing.');
  }
  return host;
}
