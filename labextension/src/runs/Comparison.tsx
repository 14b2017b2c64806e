/** Metrics of the compared runs, on top of each other. */

import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Run } from '../api/client.js';
import { Curves } from '../curves/Curves.js';
import { CurvesHost } from '../curves/host.js';
import { IconButton } from '../ui/fields.js';
import { useRunicorn } from '../ui/shared.js';
import { useLabHost } from './labHost.js';
import { metricsOf } from './table.js';

/** The comparison. */
export function Comparison(props: {
  runs: readonly Run[];
  metric: string;
  onClose: () => void;
}): JSX.Element {
  const { runs, metric } = props;
  const { trans } = useRunicorn();
  const host = useLabHost();
  const metrics = React.useMemo(() => [metric], [metric]);
  const having = React.useMemo(() => runs.filter(run => metric in run.metrics), [runs, metric]);
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
      <CurvesHost.Provider value={host}>
        <Curves runs={having} metrics={metrics} offered={metricsOf(having)} />
      </CurvesHost.Provider>
    </section>
  );
}
