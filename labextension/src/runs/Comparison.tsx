/** One metric of several runs on top of each other, drawn by the Vega that JupyterLab has. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Run } from '../api/client.js';
import { IconButton } from '../ui/fields.js';
import { ErrorNote, useRunicorn } from '../ui/shared.js';
import { MOST_LINES, VEGA_LITE, type ISeries } from './chart.js';
import { SeriesReader } from './comparing.js';
import { Plot } from './Plot.js';

/** The comparison. */
export function Comparison(props: {
  runs: readonly Run[];
  metric: string;
  rendermime: IRenderMimeRegistry | null;
  onClose: () => void;
}): JSX.Element {
  const { runs, metric, rendermime } = props;
  const { trans, client } = useRunicorn();
  const [found, setFound] = React.useState<{ of: string; series: readonly ISeries[] } | null>(null);
  const [error, setError] = React.useState<unknown>(null);
  const reader = React.useMemo(
    () =>
      new SeriesReader(
        client,
        (of, series) => {
          setFound({ of, series });
          setError(null);
        },
        setError
      ),
    [client]
  );
  const having = React.useMemo(() => runs.filter(run => metric in run.metrics), [runs, metric]);
  const series = found?.of === metric ? found.series : null;

  React.useEffect(() => () => reader.dispose(), [reader]);
  React.useEffect(() => {
    void reader.read({ runs: having.slice(0, MOST_LINES), metric });
  }, [reader, having, metric]);

  return (
    <section className="rj-Runs-comparison" aria-label={trans.__('Comparison of %1', metric)}>
      <div className="rj-Row">
        <h3 className="rj-Grow">{metric}</h3>
        <IconButton
          label={trans.__('Close the comparison')}
          icon={closeIcon}
          onPress={props.onClose}
        />
      </div>
      {error !== null && <ErrorNote reason={error} trans={trans} />}
      {having.length > MOST_LINES && (
        <p role="status">
          {trans.__('Only the newest %1 of %2 runs are drawn.', MOST_LINES, having.length)}
        </p>
      )}
      {series === null && error === null && <p role="status">{trans.__('Reading…')}</p>}
      {series !== null && rendermime?.mimeTypes.includes(VEGA_LITE) && (
        <Plot metric={metric} series={series} rendermime={rendermime} onError={setError} />
      )}
    </section>
  );
}
