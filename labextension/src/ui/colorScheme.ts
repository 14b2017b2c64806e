/** Whether Jupyter's theme is dark or light. */

import type { IThemeManager } from '@jupyterlab/apputils';
import { Signal, type ISignal } from '@lumino/signaling';

/** Jupyter's colour scheme. */
export class ColorScheme {
  constructor(private readonly _themes: IThemeManager | null) {
    _themes?.themeChanged.connect(() => this._changed.emit());
  }

  /** Emitted when the theme changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The scheme, in CSS's words; `normal` while no theme is known. */
  get value(): 'dark' | 'light' | 'normal' {
    const theme = this._themes?.theme;
    return theme ? (this._themes.isLight(theme) ? 'light' : 'dark') : 'normal';
  }

  private readonly _changed = new Signal<this, void>(this);
}
