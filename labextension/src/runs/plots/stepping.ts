/** Going through what is drawn by keys. Pure functions. */

/**
 * Return where a key leads to among things that stand in a row.
 *
 * @param at - Where the keyboard is; null: nowhere yet.
 * @returns An index; undefined for a key that leads nowhere.
 */
export function steppedTo(key: string, at: number | null, count: number): number | undefined {
  const last = count - 1;
  const target = {
    ArrowRight: at === null ? 0 : at + 1,
    ArrowDown: at === null ? 0 : at + 1,
    ArrowLeft: at === null ? last : at - 1,
    ArrowUp: at === null ? last : at - 1,
    Home: 0,
    End: last
  }[key];
  return target === undefined || count === 0 ? undefined : Math.max(0, Math.min(target, last));
}
