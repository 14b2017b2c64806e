/** What our plugins share. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';

import type { AuthMethod, RunicornRemoteClient } from './client.js';
import type { Dates } from './dates.js';
import type { DialogQuestions } from './dialogs.js';
import type { RemoteFlow } from './flow.js';
import type { RunsStore } from './runs/store.js';
import type { RemoteStore } from './state.js';
import type { ICoordinate } from './tokens.js';

/** The person's settings, as `schema/plugin.json` has them. */
export interface ISettings {
  autoOpen: boolean;
  authMethod: AuthMethod;
  timeout: number;
  logLines: number;
  showStatus: boolean;
  notifyRuns: boolean;
}

/** The defaults; a test compares them with the schema's. */
export const DEFAULT_SETTINGS: ISettings = {
  autoOpen: true,
  authMethod: 'key',
  timeout: 30,
  logLines: 200,
  showStatus: true,
  notifyRuns: true
};

/** What the panel's form starts with. */
export interface IFormDraft {
  host: string;
  username: string;
  authMethod: AuthMethod;
  port: string;
  privateKeyPath: string;
  timeout: string;
  saveAs: string;
}

/** A form in which nothing was typed. */
export const EMPTY_DRAFT: IFormDraft = {
  host: '',
  username: '',
  authMethod: 'key',
  port: '',
  privateKeyPath: '',
  timeout: '',
  saveAs: ''
};

/** Everything that the plugins share. */
export class Runicorn {
  constructor(
    readonly client: RunicornRemoteClient,
    readonly store: RemoteStore,
    readonly runs: RunsStore,
    readonly flow: RemoteFlow,
    readonly questions: DialogQuestions,
    readonly trans: TranslationBundle,
    readonly dates: Dates
  ) {}

  /** Emitted when the settings changed. */
  get settingsChanged(): ISignal<this, void> {
    return this._settingsChanged;
  }

  /** Emitted when there is something to fill the panel's form with. */
  get drafted(): ISignal<this, void> {
    return this._drafted;
  }

  /** The person's settings. */
  get settings(): ISettings {
    return this._settings;
  }

  /** Take over changed settings. */
  applySettings(values: Partial<ISettings>): void {
    this._settings = { ...DEFAULT_SETTINGS, ...values };
    this._settingsChanged.emit();
  }

  /** Ask whether to connect to a place that somebody else may have named. */
  confirmPlace(at: ICoordinate): Promise<boolean> {
    return this.questions.confirmPlace(
      at,
      this.store.hosts.find(host => host.alias === at.host)
    );
  }

  /** Fill the panel's form, now or when it appears. */
  draft(values: Partial<IFormDraft>): void {
    this._draft = { ...EMPTY_DRAFT, authMethod: this._settings.authMethod, ...values };
    this._drafted.emit();
  }

  /** Take what the form is to be filled with, once. */
  takeDraft(): IFormDraft | null {
    const draft = this._draft;
    this._draft = null;
    return draft;
  }

  private readonly _settingsChanged = new Signal<this, void>(this);
  private readonly _drafted = new Signal<this, void>(this);
  private _draft: IFormDraft | null = null;
  private _settings: ISettings = DEFAULT_SETTINGS;
}

/** Gives the other plugins the shared parts. */
export const IRunicorn = new Token<Runicorn>(
  'runicorn-jupyter:IRunicorn',
  'The connections and viewers of Runicorn.'
);
