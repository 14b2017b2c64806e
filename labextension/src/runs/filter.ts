/** What people type to find runs: words that are looked for here, or a condition that the server reads. */

import type { Run } from '../api/client.js';
import type { Kind } from './columns.js';

/** The names that a condition has for what is known of every run, with the values that are known. */
const FIELDS: Readonly<Record<string, (run: Run) => string | readonly string[] | null>> = {
  status: run => run.status,
  host: run => run.host,
  env: run => run.env_name,
  path: run => run.path,
  name: run => run.name,
  project: run => run.project,
  tag: run => run.tags,
  step: () => null,
  duration: () => null,
  created: () => null,
  started: () => null
};
const STATUSES = ['running', 'finished', 'failed', 'interrupted'];
/** How many completions are offered. */
const MOST_OFFERED = 30;
/** How many runs are looked at for values. */
const MOST_READ = 2000;

/** The names that the runs have of their own, sorted. */
export type Names = Readonly<Record<Kind, readonly string[]>>;

/** Return all names of metrics, parameters and summaries, and of metrics that have a best value. */
export function namesIn(runs: readonly Run[]): Names {
  const [metric, param, summary] = [new Set<string>(), new Set<string>(), new Set<string>()];
  const best = new Set<string>();
  for (const run of runs) {
    Object.keys(run.metrics).forEach(name => metric.add(name));
    Object.keys(run.params).forEach(name => param.add(name));
    Object.keys(run.summary).forEach(name => summary.add(name));
    if (run.best) {
      best.add(run.best.metric);
    }
  }
  const sorted = (names: Set<string>): string[] => [...names].sort((a, b) => a.localeCompare(b));
  return {
    metric: sorted(metric),
    param: sorted(param),
    summary: sorted(summary),
    best: sorted(best)
  };
}

/** Whether a text is more than words: the server reads it then. */
export function isCondition(text: string): boolean {
  return /[=<>~:!()"]/.test(text) || /(?:^|\s)(?:and|or|not)(?:\s|$)/i.test(text);
}

/** Return words as a condition, so that a status among them means what it means here. */
export function asCondition(text: string): string {
  return isCondition(text)
    ? text.trim()
    : text
        .split(/\s+/)
        .filter(Boolean)
        .map(word => {
          const status = STATUSES.find(each => each === word.toLowerCase());
          return status ? `(${status} or status=${status})` : word;
        })
        .join(' ');
}

/** Put a name or a text in quotes where a condition needs them. */
export function quoted(text: string): string {
  return text === '' || /[\s()"=<>~:!\\]/.test(text) || /^(and|or|not)$/i.test(text)
    ? `"${text.replace(/[\\"]/g, '\\$&')}"`
    : text;
}

/**
 * Return what a text may go on as: each is the whole text with its last name or value completed.
 *
 * @param runs - Those whose values are offered.
 */
export function completionsOf(text: string, names: Names, runs: readonly Run[]): string[] {
  const value = /^(.*?)([^\s()"=<>~:!]+|"(?:[^"\\]|\\.)*")(=|!=|~|:)([^\s()"]*)$/s.exec(text);
  if (value) {
    const [, before, name, operator, begun] = value as unknown as [string, ...string[]];
    return matchingFirst(valuesOf(unquoted(name!), runs), begun!).map(
      found => `${before}${name}${operator}${quoted(found)}`
    );
  }
  const name = /^(.*?)([^\s()"=<>~:!]*)$/s.exec(text);
  if (!name || name[2] === '' || /[=<>~:!]\s*$/.test(name[1]!)) {
    return [];
  }
  const all = [
    ...Object.keys(FIELDS),
    ...names.param,
    ...names.metric,
    ...names.summary.map(each => `summary.${each}`)
  ];
  return matchingFirst([...new Set(all)], name[2]!).map(found => `${name[1]}${quoted(found)}`);
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replace(/\\(.)/gs, '$1') : name;
}

/** Those that begin with a text, then those that have it elsewhere. */
function matchingFirst(all: readonly string[], begun: string): string[] {
  const lower = begun.toLowerCase();
  const at = (item: string): number => item.toLowerCase().indexOf(lower);
  const found = all.filter(item => at(item) >= 0 && item !== begun);
  return [...found.filter(item => at(item) === 0), ...found.filter(item => at(item) > 0)].slice(
    0,
    MOST_OFFERED
  );
}

function valuesOf(name: string, runs: readonly Run[]): string[] {
  if (name === 'status') {
    return STATUSES;
  }
  const [, kind, rest] = /^(param|summary)\.(.*)$/s.exec(name) ?? [];
  const read =
    FIELDS[name] ??
    ((run: Run) => {
      const value = kind === 'summary' ? run.summary[rest!] : run.params[rest ?? name];
      return value === undefined ? null : String(value);
    });
  const values = new Set<string>();
  for (const run of runs.slice(0, MOST_READ)) {
    for (const value of [read(run)].flat()) {
      if (value) {
        values.add(value);
      }
    }
  }
  return [...values].sort((a, b) => a.localeCompare(b));
}

/** Cut a condition where its mistake is; the server counts characters, which are not JavaScript's. */
export function cutAt(text: string, position: number): [before: string, from: string] {
  const characters = [...text];
  return [characters.slice(0, position).join(''), characters.slice(position).join('')];
}
