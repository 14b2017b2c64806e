/** What differs between the compared runs: parameters first, then how far metrics are from a baseline's. */

import React from 'react';

import type { MetricComparison, MetricFigures, ParamDifference, Run } from '../api/client.js';
import { keyOfRun } from '../state/runs.js';
import { formatNumber } from '../ui/numbers.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';
import { useSame } from '../ui/useSame.js';
import { namesOf } from '../curves/style.js';
import {
  baselineFirst,
  DifferencesReader,
  equalParams,
  formatDifference,
  formatParam,
  formatPercent,
  MOST_COMPARED,
  verdictOf,
  type IFoundDifferences,
  type Mode
} from './differences.js';
import { serverOf } from './table.js';

/** As git shortens what it names so. */
const SHOWN_OF_SNAPSHOT = 12;

/** Read what differs whenever a run is another. */
function useDifferences(runs: readonly Run[]): {
  found: IFoundDifferences | null;
  error: unknown;
} {
  const { client } = useRunicorn();
  const [found, setFound] = React.useState<IFoundDifferences | null>(null);
  const [error, setError] = React.useState<unknown>(null);
  const stable = useSame(runs);
  const reader = React.useMemo(() => {
    const take = (next: IFoundDifferences): void => {
      setFound(next);
      setError(null);
    };
    return new DifferencesReader(client, take, setError);
  }, [client]);
  React.useEffect(() => () => reader.dispose(), [reader]);
  React.useEffect(() => {
    if (stable.length > 1) {
      void reader.read(stable);
    }
  }, [reader, stable]);
  return { found: stable.length > 1 ? found : null, error };
}

/** The table of what differs. */
export function Differences(props: { runs: readonly Run[] }): JSX.Element {
  const { trans } = useRunicorn();
  const [baseline, setBaseline] = React.useState('');
  const [modes, setModes] = React.useState<ReadonlyMap<string, Mode>>(new Map());
  const all = React.useMemo(() => baselineFirst(props.runs, baseline), [props.runs, baseline]);
  const { found, error } = useDifferences(React.useMemo(() => all.slice(0, MOST_COMPARED), [all]));
  return (
    <section className="rj-Runs-differences" aria-label={trans.__('What differs')}>
      <h3>{trans.__('What differs')}</h3>
      {error !== null && <ErrorNote reason={error} trans={trans} />}
      {all.length > MOST_COMPARED && (
        <p role="status">
          {trans.__('Only the newest %1 of %2 runs are compared.', MOST_COMPARED, all.length)}
        </p>
      )}
      {all.length < 2 ? (
        <p role="status">{trans.__('Choose another run in the table to see what differs.')}</p>
      ) : found === null ? (
        error === null && <p role="status">{trans.__('Reading…')}</p>
      ) : (
        <Found
          found={found}
          modes={modes}
          onBaseline={run => setBaseline(keyOfRun(run))}
          onMode={(metric, mode) => setModes(new Map(modes).set(metric, mode))}
        />
      )}
    </section>
  );
}

interface IFoundProps {
  found: IFoundDifferences;
  /** What the person says of metrics of which the runs say nothing. */
  modes: ReadonlyMap<string, Mode>;
  onBaseline: (run: Run) => void;
  onMode: (metric: string, mode: Mode) => void;
}

function Found(props: IFoundProps): JSX.Element {
  const { trans } = useRunicorn();
  const { runs, answer } = props.found;
  const isPartial = answer.params_left_out.some(count => count !== 0);
  return (
    <>
      {answer.differing.length === 0 && (
        <p role="status">
          {runs.some(run => Object.keys(run.params).length > 0)
            ? trans.__('No parameter differs.')
            : trans.__('These runs have no parameters.')}
        </p>
      )}
      {isPartial && (
        <p role="status">
          {trans.__('Some of these runs have more parameters than are known here.')}
        </p>
      )}
      <div
        className="rj-Runs-differing"
        role="region"
        tabIndex={0}
        aria-label={trans.__('Differences from the baseline')}
      >
        <table>
          <Heads runs={runs} onBaseline={props.onBaseline} />
          <tbody>
            {answer.differing.map(each => (
              <ParamRow key={each.name} param={each} runs={runs} />
            ))}
            {new Set(answer.code_snapshots).size > 1 && (
              <SnapshotRow snapshots={answer.code_snapshots} />
            )}
          </tbody>
          <tbody className="rj-mod-metrics">
            {answer.metrics.map(metric => (
              <MetricRows
                key={metric.name}
                metric={metric}
                mode={metric.mode ?? props.modes.get(metric.name) ?? null}
                onMode={mode => props.onMode(metric.name, mode)}
              />
            ))}
          </tbody>
        </table>
      </div>
      <Equal found={props.found} />
    </>
  );
}

function Heads(props: { runs: readonly Run[]; onBaseline: (run: Run) => void }): JSX.Element {
  const { trans } = useRunicorn();
  const names = namesOf(
    props.runs.map(run => ({ name: run.name ?? run.run_id, server: serverOf(run), id: run.run_id }))
  );
  return (
    <thead>
      <tr>
        <td />
        {props.runs.map((run, index) => (
          <th key={keyOfRun(run)} scope="col">
            <button
              type="button"
              aria-pressed={index === 0}
              title={trans.__('Compare the others with %1', names[index]!)}
              onClick={() => props.onBaseline(run)}
            >
              <span className="rj-Ellipsis">{names[index]}</span>
              {index === 0 && <span className="rj-Quiet">{trans.__('baseline')}</span>}
            </button>
          </th>
        ))}
      </tr>
    </thead>
  );
}

function ParamRow(props: { param: ParamDifference; runs: readonly Run[] }): JSX.Element {
  const { name, values, missing } = props.param;
  const { trans } = useRunicorn();
  const isMissing = (place: number): boolean => missing.includes(place);
  return (
    <tr>
      <th scope="row" title={name}>
        {name}
      </th>
      {values.map((value, place) => {
        const isOther = value !== values[0] || isMissing(place) !== isMissing(0);
        const text = isMissing(place) ? trans.__('not given') : formatParam(value);
        return (
          <td
            key={keyOfRun(props.runs[place]!)}
            title={isMissing(place) ? text : String(value)}
            data-differs={isOther || undefined}
            className={isMissing(place) ? 'rj-Quiet' : undefined}
          >
            {text}
          </td>
        );
      })}
    </tr>
  );
}

/** The code that runicorn kept of each run, by the beginning of its fingerprint. */
function SnapshotRow(props: { snapshots: ReadonlyArray<string | null> }): JSX.Element {
  const { trans } = useRunicorn();
  return (
    <tr>
      <th scope="row" title={trans.__('Fingerprints of what snapshot_code=True kept of the code')}>
        {trans.__('Code snapshot')}
      </th>
      {props.snapshots.map((snapshot, place) => (
        <td
          key={place}
          title={snapshot ?? trans.__('none known')}
          data-differs={snapshot !== props.snapshots[0] || undefined}
          className={snapshot === null ? 'rj-Quiet' : undefined}
        >
          {snapshot === null ? trans.__('none known') : snapshot.slice(0, SHOWN_OF_SNAPSHOT)}
        </td>
      ))}
    </tr>
  );
}

function MetricRows(props: {
  metric: MetricComparison;
  mode: Mode;
  onMode: (mode: Mode) => void;
}): JSX.Element {
  const { metric, mode } = props;
  const { trans } = useRunicorn();
  const hasBest = metric.best.values.some(value => value !== null);
  return (
    <>
      <tr>
        <th scope="row" title={metric.name}>
          {metric.name}{' '}
          {metric.mode === null ? (
            <select
              className="jp-mod-styled"
              aria-label={trans.__('What is better in %1', metric.name)}
              title={trans.__('What is better in %1', metric.name)}
              value={mode ?? ''}
              onChange={event => props.onMode((event.target.value || null) as Mode)}
            >
              <option value="">{trans.__('better?')}</option>
              <option value="min">{trans.__('↓ less is better')}</option>
              <option value="max">{trans.__('↑ more is better')}</option>
            </select>
          ) : (
            <span className="rj-Quiet">
              {metric.mode === 'min' ? trans.__('↓ less is better') : trans.__('↑ more is better')}
            </span>
          )}
        </th>
        <Figures figures={metric.last} mode={mode} />
      </tr>
      {hasBest && (
        <tr>
          <th scope="row">{trans.__('%1, at its best', metric.name)}</th>
          <Figures figures={metric.best} mode={mode} />
        </tr>
      )}
    </>
  );
}

function Figures(props: { figures: MetricFigures; mode: Mode }): JSX.Element {
  const { values, differences, percents } = props.figures;
  const { trans } = useRunicorn();
  return (
    <>
      {values.map((value, place) => {
        const difference = differences[place] ?? null;
        const percent = formatPercent(percents[place] ?? null);
        const verdict = verdictOf(difference, props.mode);
        return (
          <td key={place} className="rj-mod-number" title={String(value ?? '')}>
            {formatNumber(value)}
            {formatDifference(difference) && (
              <span
                className="rj-Runs-difference"
                title={String(difference)}
                data-verdict={verdict ?? undefined}
              >
                {' '}
                {formatDifference(difference)}
                {percent && ` (${percent})`}
                {verdict && (
                  <span className="rj-VisuallyHidden">
                    {verdict === 'better' ? trans.__('better') : trans.__('worse')}
                  </span>
                )}
              </span>
            )}
          </td>
        );
      })}
    </>
  );
}

function Equal(props: { found: IFoundDifferences }): JSX.Element | null {
  const { trans } = useRunicorn();
  const { same } = props.found.answer;
  if (same === 0) {
    return null;
  }
  return (
    <details className="rj-Runs-equal">
      <summary>{trans._n('%1 parameter is the same', '%1 parameters are the same', same)}</summary>
      <dl className="rj-Facts">
        {equalParams(props.found).map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd title={String(value)}>{formatParam(value)}</dd>
          </React.Fragment>
        ))}
      </dl>
    </details>
  );
}
