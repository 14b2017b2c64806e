/** What tells one line of a chart from another: pure functions. */

/** Give each line a name of its own: the run's, and its server's where runs have the same. */
export function namesOf(
  runs: ReadonlyArray<{ name: string; server: string; id: string }>
): string[] {
  const count = (text: string, of: (run: { name: string; server: string }) => string): number =>
    runs.filter(run => of(run) === text).length;
  return runs.map(run => {
    if (count(run.name, other => other.name) === 1) {
      return run.name;
    }
    const both = `${run.name} · ${run.server}`;
    return count(both, other => `${other.name} · ${other.server}`) === 1
      ? both
      : `${both} · ${run.id}`;
  });
}

/** How a line is drawn. */
export interface ILineStyle {
  color: string;
  /** Lengths of dashes and gaps in CSS pixels. */
  dash: readonly number[];
}

/** Each has a contrast of at least 3 to the background of Lab's light theme and of its dark one. */
const COLORS = [
  ...['#1f77b4', '#d1660a', '#2a8f3c', '#d64550', '#8a63c9'],
  ...['#a0694f', '#cf4f9f', '#8c8400', '#0f8f9c', '#7a7f86']
];
const DASHES: ReadonlyArray<readonly number[]> = [
  [1, 0],
  [8, 3],
  [2, 3],
  [9, 3, 2, 3]
];

/** How many lines can be told apart. */
export const MOST_LINES = COLORS.length * DASHES.length;

/** The style of a line: the colours are used up before the dashes. */
export function styleOf(index: number): ILineStyle {
  return {
    color: COLORS[index % COLORS.length]!,
    dash: DASHES[Math.floor(index / COLORS.length) % DASHES.length]!
  };
}
