/** Reading the same thing again and again, never twice at once. */

/** Reads; whoever asks during a reading shares one further reading, which begins after it. */
export class SharedReading {
  /**
   * @param read Reads once.
   * @param changed Called when a reading has begun and when it has ended.
   */
  constructor(
    private readonly read: () => Promise<void>,
    private readonly changed: () => void = () => undefined
  ) {}

  /** Whether something is being read. */
  get isUnderWay(): boolean {
    return this._reading !== null;
  }

  /** Read, or join the reading that is to come. */
  again(): Promise<void> {
    if (this._reading) {
      this._next ??= this._reading.then(() => {
        this._next = null;
        return this.again();
      });
      return this._next;
    }
    this._reading = this.read().finally(() => {
      this._reading = null;
      this.changed();
    });
    this.changed();
    return this._reading;
  }

  private _reading: Promise<void> | null = null;
  private _next: Promise<void> | null = null;
}
