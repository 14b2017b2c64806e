/** Metrics of several runs on top of each other, one chart a metric; they grow while somebody looks. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { IconButton } from '../ui/fields.js';
import { runsProblemMessage, runStatusLabel } from '../ui/messages.js';
import { formatNumber, WRITTEN_DIGITS } from '../ui/numbers.js';
import { useSame } from '../ui/useSame.js';
import { Chart } from './Chart.js';
import { Controls, FIRST_LOOK, type ILook } from './Controls.js';
import { lineOf, positive, smoothed, type ICurve } from './curve.js';
import { useCurvesHost, type CurveRun } from './host.js';
import { Legend, type ILegendItem } from './Legend.js';
import type { IDrawnLine } from './plot.js';
import type { CurveReader, IProblem } from './reader.js';
import { MOST_LINES, namesOf, styleOf, type ILineStyle } from './style.js';
import { useCurveReader } from './useCurveReader.js';
import { ValuesTable } from './ValuesTable.js';

/** A run with what tells its lines from others'. */
interface INamedRun extends ILineStyle {
  run: CurveRun;
  name: string;
  curve: ICurve | null;
}

/** What is drawn. */
export interface ICurvesProps {
  runs: readonly CurveRun[];
  /** A chart each; a person can add others. */
  metrics: readonly string[];
  /** The metrics that the runs have. */
  offered: readonly string[];
  /** Whether the first chart, too, says which metric it is of. */
  isTitled?: boolean;
  /** What cannot be read of some connections, where that is known without reading. */
  problems?: readonly IProblem[];
  /** Called when somebody begins to look, and when nobody does any more. */
  onLook?: (isSeen: boolean) => void;
}

/** The charts of some runs. */
export function Curves(props: ICurvesProps): JSX.Element {
  const { isTitled, onLook } = props;
  const { trans, client, retried } = useCurvesHost();
  const [look, setLook] = React.useState(FIRST_LOOK);
  const [added, setAdded] = React.useState<readonly string[]>([]);
  const [hidden, setHidden] = React.useState<ReadonlySet<string>>(new Set());
  const [raised, setRaised] = React.useState<string | null>(null);
  const sync = React.useId();
  const runs = React.useMemo(() => props.runs.slice(0, MOST_LINES), [props.runs]);
  const metrics = React.useMemo(
    () => [...new Set([...props.metrics, ...added])],
    [props.metrics, added]
  );
  const node = React.useRef<HTMLDivElement>(null);
  const wish = React.useMemo(() => ({ runs, metrics }), [runs, metrics]);
  const { reader, version } = useCurveReader({ client, retried, wish, node, onLook });
  const named = useNamed(runs, reader, version);
  const remove = (name: string): void => setAdded(added.filter(each => each !== name));
  const isRead = named.some(item => item.curve !== null);
  return (
    <div ref={node} className="rj-Curves">
      <Notes runs={props.runs} {...{ reader, isRead }} problems={props.problems} />
      {isRead && (
        <>
          <Controls
            look={look}
            onLook={setLook}
            others={props.offered.filter(name => !metrics.includes(name))}
            onAdd={name => setAdded([...added, name])}
          />
          <div className="rj-Curves-plot">
            <div className="rj-Curves-charts">
              {metrics.map((name, at) => (
                <div key={name} className="rj-Curves-metric">
                  {(isTitled || at > 0) && (
                    <MetricHead metric={name} onRemove={added.includes(name) ? remove : null} />
                  )}
                  <MetricChart
                    {...{ named, look, hidden, raised, sync }}
                    metric={name}
                    onLook={setLook}
                    onRaise={setRaised}
                  />
                </div>
              ))}
            </div>
            <Legend
              items={legendOf(named, hidden, trans)}
              raised={raised}
              onRaise={setRaised}
              onToggle={name => setHidden(toggled(hidden, name))}
            />
          </div>
        </>
      )}
    </div>
  );
}

function legendOf(
  named: readonly INamedRun[],
  hidden: ReadonlySet<string>,
  trans: TranslationBundle
): ILegendItem[] {
  return named.map(({ run, name, color, dash }) => ({
    ...{ name, color, dash },
    note: run.status === 'running' ? '' : runStatusLabel(trans, run.status),
    isHidden: hidden.has(name)
  }));
}

function toggled(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const next = new Set(names);
  if (!next.delete(name)) {
    next.add(name);
  }
  return next;
}

function MetricHead(props: {
  metric: string;
  onRemove: ((metric: string) => void) | null;
}): JSX.Element {
  const { metric, onRemove } = props;
  const { trans } = useCurvesHost();
  return (
    <div className="rj-Row">
      <h4 className="rj-Grow">{metric}</h4>
      {onRemove && (
        <IconButton
          label={trans.__('Remove %1', metric)}
          icon={{ react: Cross }}
          onPress={() => onRemove(metric)}
        />
      )}
    </div>
  );
}

/** The sign of what closes or removes. */
function Cross(): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" aria-hidden stroke="currentColor" strokeWidth={1.5}>
      <path d="M4 4l8 8M12 4l-8 8" />
    </svg>
  );
}

/** One metric's chart, and its values as text. */
function MetricChart(props: {
  metric: string;
  named: readonly INamedRun[];
  look: ILook;
  hidden: ReadonlySet<string>;
  raised: string | null;
  sync: string;
  onLook: (look: ILook) => void;
  onRaise: (name: string | null) => void;
}): JSX.Element {
  const { metric, named, look, hidden, raised, sync } = props;
  const { axis, isLog, smoothing, zoom } = look;
  const { dates } = useCurvesHost();
  // A run may have changed in what is not drawn, and nothing is drawn again then.
  const drawn = useSame(named.map(item => item.curve));
  const names = useSame(named.map(item => item.name));
  const lines = React.useMemo(
    () =>
      drawn.map((curve, index): IDrawnLine => {
        const name = names[index]!;
        const logged = curve ? lineOf(curve, metric, axis) : { x: [], y: [] };
        const line = smoothed(logged, smoothing);
        return {
          ...(isLog ? positive(line) : line),
          bad: logged.x.filter((_, at) => logged.y[at] === null),
          isHidden: hidden.has(name),
          name,
          ...styleOf(index)
        };
      }),
    [drawn, names, metric, axis, smoothing, isLog, hidden]
  );
  const curves = named.flatMap(({ name, curve }) => (curve ? [{ name, curve }] : []));
  const formatX = (value: number): string =>
    axis === 'step'
      ? formatNumber(value, WRITTEN_DIGITS)
      : axis === 'time'
        ? dates.begin(new Date(1000 * value).toISOString())
        : durationOf(value);
  return (
    <>
      <Chart
        {...{ metric, lines, axis, isLog, sync, zoom, raised, formatX }}
        onZoom={value => props.onLook({ ...look, zoom: value })}
        onRaise={props.onRaise}
      />
      <ValuesTable metric={metric} curves={curves} />
    </>
  );
}

/** What is not drawn, or not current. */
function Notes(props: {
  runs: readonly CurveRun[];
  reader: CurveReader;
  isRead: boolean;
  problems?: readonly IProblem[];
}): JSX.Element {
  const { runs, reader, isRead } = props;
  const { trans } = useCurvesHost();
  const found = [...(props.problems ?? []), ...reader.problems];
  const problems = [...new Map(found.map(problem => [problem.connection, problem])).values()];
  return (
    <div role="status">
      {runs.length > MOST_LINES && (
        <p>{trans.__('Only the newest %1 of %2 runs are drawn.', MOST_LINES, runs.length)}</p>
      )}
      {problems.map(problem => (
        <p key={problem.connection} className="rj-Curves-problem">
          <strong>{problem.host}</strong> <Problem problem={problem} />
        </p>
      ))}
      {!isRead && problems.length === 0 && <p>{trans.__('Reading…')}</p>}
    </div>
  );
}

function Problem(props: { problem: IProblem }): JSX.Element {
  const { reason, asOf } = props.problem;
  const { trans, dates } = useCurvesHost();
  const code = (reason as { code?: string } | null)?.code;
  return <>{runsProblemMessage(trans, code, asOf && dates.clock(asOf))}</>;
}

function useNamed(
  runs: readonly CurveRun[],
  reader: CurveReader,
  version: number
): readonly INamedRun[] {
  return React.useMemo(() => {
    // What is read changes in place; its version says when.
    void version;
    const names = namesOf(
      runs.map(run => ({
        name: run.name ?? run.run_id,
        server: run.env_name ? `${run.host} · ${run.env_name}` : run.host,
        id: run.run_id
      }))
    );
    return runs.map((run, at) => ({
      run,
      name: names[at]!,
      ...styleOf(at),
      curve: reader.curveOf(run)
    }));
  }, [runs, reader, version]);
}

/** A duration in seconds, as people write it on a clock. */
function durationOf(seconds: number): string {
  const whole = Math.round(Math.abs(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const sign = seconds < 0 ? '−' : '';
  return `${sign}${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
