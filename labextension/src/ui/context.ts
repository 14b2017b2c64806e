/** What our plugins share. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';

import type { RunicornRemoteClient } from '../api/client.js';
import type { ColorScheme } from './colorScheme.js';
import type { Dates } from './dates.js';
import type { ConnectFlow } from '../state/connectFlow.js';
import { emptyDraft, type IConnectDraft } from '../state/connectRequest.js';
import type { MachinesStore } from '../state/machines.js';
import type { IQuestions } from '../state/questions.js';
import type { RunsStore } from '../state/runs.js';
import { DEFAULT_SETTINGS, type ISettings, type SaveSetting } from '../state/settings.js';
import type { RemoteStore } from '../state/store.js';
import type { ViewerLocation } from '../state/viewerLocation.js';

/** Everything that the plugins share. */
export class Runicorn {
  constructor(
    readonly client: RunicornRemoteClient,
    readonly store: RemoteStore,
    readonly runs: RunsStore,
    readonly machines: MachinesStore,
    readonly flow: ConnectFlow,
    readonly questions: IQuestions,
    readonly trans: TranslationBundle,
    readonly dates: Dates,
    readonly colorScheme: ColorScheme
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

  /** Change a setting; null where Lab keeps none. */
  saveSetting: SaveSetting | null = null;

  /** Take over changed settings. */
  applySettings(values: Partial<ISettings>): void {
    this._settings = { ...DEFAULT_SETTINGS, ...values };
    this._settingsChanged.emit();
  }

  /** Ask whether to connect to a place that somebody else may have named. */
  confirmLocation(at: ViewerLocation): Promise<boolean> {
    return this.questions.confirmLocation(
      at,
      this.store.hosts.find(host => host.alias === at.host)
    );
  }

  /** Fill the panel's form, now or when it appears. */
  draft(values: Partial<IConnectDraft>): void {
    this._draft = { ...emptyDraft(this._settings), ...values };
    this._drafted.emit();
  }

  /** Whether the form is to be filled with something as soon as it appears. */
  get hasDraft(): boolean {
    return this._draft !== null;
  }

  /** Take what the form is to be filled with, once. */
  takeDraft(): IConnectDraft | null {
    const draft = this._draft;
    this._draft = null;
    return draft;
  }

  private readonly _settingsChanged = new Signal<this, void>(this);
  private readonly _drafted = new Signal<this, void>(this);
  private _draft: IConnectDraft | null = null;
  private _settings: ISettings = DEFAULT_SETTINGS;
}

/** Gives the other plugins the shared parts. */
export const IRunicorn = new Token<Runicorn>(
  'runicorn-jupyter:IRunicorn',
  'The connections and viewers of Runicorn.'
);
