/** What the table of runs shows, as text and numbers: pure functions. */

import type { Run } from '../api/client.js';

/** Where a run is, in words. */
export function serverOf(run: Pick<Run, 'host' | 'env_name'>): string {
  return run.env_name ? `${run.host} · ${run.env_name}` : run.host;
}

/** How long a run took, or has been running, in seconds; null where nothing tells. */
export function secondsOf(run: Run, now: Date): number | null {
  const begun = Date.parse(run.started_at ?? run.created_at ?? '');
  if (run.duration_seconds !== null || run.status !== 'running' || Number.isNaN(begun)) {
    return run.duration_seconds;
  }
  return Math.max(0, (now.getTime() - begun) / 1000);
}

/** The names of all metrics, sorted. */
export function metricsOf(runs: readonly Run[]): string[] {
  const names = new Set<string>();
  for (const run of runs) {
    for (const name of Object.keys(run.metrics)) {
      names.add(name);
    }
  }
  return [...names].sort((a, b) => a.localeCompare(b));
}

const haystacks = new WeakMap<Run, string>();

function haystackOf(run: Run): string {
  let text = haystacks.get(run);
  if (text === undefined) {
    const parts = [run.name, run.path, run.run_id, run.status, run.host, run.env_name, ...run.tags];
    text = parts.filter(Boolean).join('\n').toLowerCase();
    haystacks.set(run, text);
  }
  return text;
}

/** The runs that hold each of the typed words somewhere. */
export function matching(runs: readonly Run[], typed: string): readonly Run[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0
    ? runs
    : runs.filter(run => words.every(word => haystackOf(run).includes(word)));
}

/** A duration as people read one off a table: hours, minutes, seconds. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null) {
    return '';
  }
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** A run's name, and where it is unless its name says so. */
export function nameOf(run: Run): [name: string, path: string] {
  const { name, path, run_id } = run;
  if (!name) {
    return [run_id, path ?? ''];
  }
  return path === name || path?.endsWith(`/${name}`) ? [path ?? name, ''] : [name, path ?? ''];
}
