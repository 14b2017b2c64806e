/** Dates and times as JupyterLab's language writes them; the browser's may be another. */

/** Writes dates and times. */
export class Dates {
  /**
   * @param language JupyterLab's language, as `en` or `zh-CN`.
   * @param preferred The browser's languages; the first that is a kind of JupyterLab's is taken, as `en-GB`.
   */
  constructor(language: string, preferred: readonly string[]) {
    const code = language.replace(/_/g, '-');
    const locale = preferred.find(item => item.startsWith(`${code}-`)) ?? code;
    this._day = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
    this._clock = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
    this._hour = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
  }

  /** A day with its time; '' where there is none. */
  day(value: string | null): string {
    const time = Date.parse(value ?? '');
    return Number.isNaN(time) ? '' : this._day.format(time);
  }

  /** When something began: the time alone if that was today; '' where there is none. */
  begin(value: string | null, now: Date = new Date()): string {
    const time = new Date(value ?? '');
    return time.toDateString() === now.toDateString() ? this._hour.format(time) : this.day(value);
  }

  /** A time of today. */
  clock(time: Date): string {
    return this._clock.format(time);
  }

  private readonly _day: Intl.DateTimeFormat;
  private readonly _clock: Intl.DateTimeFormat;
  private readonly _hour: Intl.DateTimeFormat;
}
