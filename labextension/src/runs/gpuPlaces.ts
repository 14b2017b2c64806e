/** Which runs are on which GPUs: a pure function of the machines. */

import type { Machine, Run } from '../api/client.js';
import { keyOfRun } from '../state/runs.js';

/** What stands for a run of which it is not known. */
const UNKNOWN = '?';

/** The GPUs of runs, as far as the machines tell. */
export class GpuPlaces {
  /**
   * @param byRun - The numbers of a run's GPUs, as a text, by the key of the run.
   * @param known - The connections whose machines tell who is on their GPUs now.
   */
  constructor(
    private readonly byRun: ReadonlyMap<string, string>,
    private readonly known: ReadonlySet<string>
  ) {}

  /** Return the numbers of a run's GPUs, or undefined where it is on none, as far as is known. */
  numbersOf(run: Run): string | undefined {
    return this.byRun.get(keyOfRun(run));
  }

  /** Return what is shown of a run: nothing where it is on none. */
  textOf(run: Run): string {
    const isUnknown = run.status === 'running' && !this.known.has(run.connection_id);
    return this.numbersOf(run) ?? (isUnknown ? UNKNOWN : '');
  }

  /** Whether the same is known as in another. */
  isEqual(other: GpuPlaces): boolean {
    return (
      this.byRun.size === other.byRun.size &&
      this.known.size === other.known.size &&
      [...this.known].every(id => other.known.has(id)) &&
      [...this.byRun].every(([key, numbers]) => other.byRun.get(key) === numbers)
    );
  }
}

/** What is known before any machine has told. */
export const NO_PLACES = new GpuPlaces(new Map(), new Set());

/** Read which runs are on which GPUs; what is old counts as unknown. */
export function placesOf(machines: readonly Machine[]): GpuPlaces {
  const numbers = new Map<string, Set<number>>();
  const told = machines.filter(({ gpus, error }) => gpus !== null && error === null);
  for (const gpu of told.flatMap(machine => machine.gpus!)) {
    for (const { run } of gpu.processes) {
      if (run) {
        const key = keyOfRun(run);
        numbers.set(key, (numbers.get(key) ?? new Set()).add(gpu.index));
      }
    }
  }
  const inOrder = (set: ReadonlySet<number>): string => [...set].sort((a, b) => a - b).join(', ');
  return new GpuPlaces(
    new Map([...numbers].map(([key, set]) => [key, inOrder(set)])),
    new Set(told.map(machine => machine.connection_id))
  );
}
