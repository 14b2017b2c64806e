/** The notebook outputs that show curves: live where a viewer has the runs, else the picture that was saved. */

import { ReactWidget } from '@jupyterlab/ui-components';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import React from 'react';

import type { Run } from './api/client.js';
import { CurvesHost } from './curves/host.js';
import type { IProblem } from './curves/reader.js';
import { MOST_LINES } from './curves/style.js';
import { useLook } from './curves/useLook.js';
import { CURVES_MIME_TYPE } from './ids.js';
import { useLabHost } from './runs/labHost.js';
import { metricsOf } from './runs/table.js';
import { useRuns } from './runs/useRuns.js';
import type { Runicorn } from './ui/context.js';
import { later } from './ui/later.js';
import { ViewRoot } from './ui/shared.js';

// What draws comes when somebody wants a drawing.
const Curves = later(async () => (await import('./curves/Curves.js')).Curves);

const MOST_METRICS = 64;
const LONGEST = 256;

/** What an output says. */
export interface ISavedCurves {
  metrics: readonly string[];
  /** The ids of the runs. */
  runs: readonly string[];
  /** When the picture was made. */
  asOf: string;
}

/** Read an output; null where it is none of these. */
export function parseCurves(data: unknown): ISavedCurves | null {
  const { version, metrics, runs, as_of } = (data ?? {}) as Record<string, unknown>;
  if (version !== 1 || !Array.isArray(metrics) || !Array.isArray(runs)) {
    return null;
  }
  const ids = runs.map(run => (run as { run_id?: unknown } | null)?.run_id);
  const isText = (value: unknown): value is string =>
    typeof value === 'string' && value !== '' && value.length <= LONGEST;
  return metrics.every(isText) &&
    ids.every(isText) &&
    0 < metrics.length &&
    metrics.length <= MOST_METRICS &&
    0 < ids.length &&
    ids.length <= MOST_LINES
    ? { metrics, runs: ids, asOf: typeof as_of === 'string' ? as_of : '' }
    : null;
}

/** Draws one output. */
class CurvesOutput extends ReactWidget implements IRenderMime.IRenderer {
  constructor(private readonly runicorn: Runicorn) {
    super();
    this.addClass('rj-CurvesOutput');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const text = JSON.stringify(model.data[CURVES_MIME_TYPE]);
    if (text !== this._text) {
      this._text = text;
      this._saved = parseCurves(model.data[CURVES_MIME_TYPE]);
    }
    const picture = model.data['image/png'];
    this._picture =
      typeof picture === 'string' && /^[\w+/=\s]+$/.test(picture)
        ? `data:image/png;base64,${picture}`
        : null;
    this.update();
    await this.renderPromise;
  }

  protected override render(): JSX.Element {
    return (
      <ViewRoot runicorn={this.runicorn}>
        {this._saved && <OutputCurves saved={this._saved} picture={this._picture} />}
      </ViewRoot>
    );
  }

  private _text = '';
  private _saved: ISavedCurves | null = null;
  private _picture: string | null = null;
}

/** The curves, as long as somebody looks. */
function OutputCurves(props: { saved: ISavedCurves; picture: string | null }): JSX.Element {
  const { saved, picture } = props;
  const { runs: store, trans, dates } = useRuns();
  const host = useLabHost();
  const ref = React.useRef<HTMLDivElement>(null);
  const [isSeen, setSeen] = React.useState(false);
  useLook(ref, setSeen);
  React.useEffect(() => {
    const following = isSeen ? store.follow() : null;
    return () => following?.dispose();
  }, [store, isSeen]);
  const { runs, problems } = useFound(saved.runs);
  return (
    <div ref={ref}>
      {runs.length > 0 ? (
        <CurvesHost.Provider value={host}>
          <Curves
            {...{ runs, problems }}
            metrics={saved.metrics}
            offered={metricsOf(runs)}
            isTitled
          />
        </CurvesHost.Provider>
      ) : (
        <>
          <p className="rj-Quiet">
            {trans.__(
              'As of %1. Open the viewer that has these runs, and they go on.',
              dates.day(saved.asOf)
            )}
          </p>
          {picture && <img src={picture} alt={saved.metrics.join(', ')} />}
        </>
      )}
    </div>
  );
}

/** Find the runs by their ids; one that was there stays, and it is said of it that it is not followed. */
function useFound(ids: readonly string[]): {
  runs: readonly Run[];
  problems: readonly IProblem[];
} {
  const { runs, servers } = useRuns().runs;
  const known = React.useRef(new Map<string, Run>());
  return React.useMemo(() => {
    const wanted = new Set(ids);
    const failing = new Map(servers.map(server => [server.connection_id, server]));
    const now = new Map<string, Run>();
    for (const run of runs) {
      const other = now.get(run.run_id);
      // Two connections may have the same run.
      if (wanted.has(run.run_id) && (!other || failing.get(other.connection_id)?.error)) {
        now.set(run.run_id, run);
      }
    }
    now.forEach((run, id) => known.current.set(id, run));
    const found = ids.flatMap(id => known.current.get(id) ?? []);
    const problems = new Map<string, IProblem>();
    for (const { connection_id: connection, host, run_id } of found) {
      const server = failing.get(connection);
      const reason = now.has(run_id) ? server?.error : { code: 'viewer_not_running' };
      if (reason) {
        const asOf = server?.as_of ? new Date(server.as_of) : null;
        problems.set(connection, { connection, host, reason, asOf });
      }
    }
    return { runs: found, problems: [...problems.values()] };
  }, [ids, runs, servers]);
}

/**
 * Make the factory of such outputs.
 *
 * It looks for runs that are there already, and connects to nothing, so it is safe.
 */
export function createCurvesFactory(runicorn: Runicorn): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [CURVES_MIME_TYPE],
    defaultRank: 10,
    createRenderer: () => new CurvesOutput(runicorn)
  };
}
