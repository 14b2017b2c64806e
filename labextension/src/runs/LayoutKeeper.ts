/** Keeps the table's layout: in the workspace, and as a default for others in the person's settings. */

import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { Signal, type ISignal } from '@lumino/signaling';

import { CoalescedTask } from '../state/coalesce.js';
import { DEFAULT_LAYOUT, readLayout, type ILayout } from './layout.js';

const STATE_KEY = 'runicorn-jupyter:runs-table';

/** Keeps the layout. */
export class LayoutKeeper {
  /**
   * @param state - The workspace's state; null where there is none.
   * @param readDefault - Returns the layout of the settings, whatever that is.
   */
  constructor(
    private readonly state: Pick<IStateDB, 'fetch' | 'save'> | null,
    private readonly readDefault: () => unknown
  ) {}

  /** Emitted after the layout changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The layout: the workspace's, else the settings', else the one that comes with this. */
  get layout(): ILayout {
    return this._own ?? this._default();
  }

  /** Take over what the workspace has, unless something was changed already. */
  async restore(): Promise<void> {
    const kept = readLayout(await this.state?.fetch(STATE_KEY));
    if (this._own === null && kept !== null) {
      this._own = kept;
      this._changed.emit();
    }
  }

  /** Change the layout of this workspace. */
  set(layout: ILayout): void {
    this._own = layout;
    this._changed.emit();
    void this._saving.run();
  }

  /** The settings give another object each time; the layout is the same as long as they say the same. */
  private _default(): ILayout {
    const value = this.readDefault();
    const text = JSON.stringify(value);
    if (this._read.text !== text) {
      this._read = { text, layout: readLayout(value) ?? DEFAULT_LAYOUT };
    }
    return this._read.layout;
  }

  private async _save(): Promise<void> {
    await this.state?.save(STATE_KEY, this._own as unknown as ReadonlyPartialJSONValue);
  }

  private readonly _changed = new Signal<this, void>(this);
  private _own: ILayout | null = null;
  private _read: { text: string | undefined; layout: ILayout } = {
    text: undefined,
    layout: DEFAULT_LAYOUT
  };
  private readonly _saving = new CoalescedTask(() => this._save());
}
