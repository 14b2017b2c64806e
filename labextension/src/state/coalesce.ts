/** Coalesces bursts of requests for the same work. */

/** Runs work one at a time; requests made during a run share one further run, which starts after it. */
export class CoalescedTask {
  /**
   * @param work - Does the work once.
   * @param changed - Called when a run has started and when it has ended.
   */
  constructor(
    private readonly work: () => Promise<void>,
    private readonly changed: () => void = () => undefined
  ) {}

  /** Whether the work is being done. */
  get isRunning(): boolean {
    return this._current !== null;
  }

  /** Do the work, or join the run that comes next. */
  run(): Promise<void> {
    if (this._current) {
      this._next ??= this._current.then(() => {
        this._next = null;
        return this.run();
      });
      return this._next;
    }
    this._current = this.work().finally(() => {
      this._current = null;
      this.changed();
    });
    this.changed();
    return this._current;
  }

  private _current: Promise<void> | null = null;
  private _next: Promise<void> | null = null;
}
