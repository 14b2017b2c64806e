/** JupyterLab, as the page that charts are drawn in. */

import React from 'react';

import type { ICurvesHost } from '../curves/host.js';
import { copyText } from '../ui/clipboard.js';
import type { Runicorn } from '../ui/context.js';
import { useRunicorn } from '../ui/shared.js';

/** Return what charts need of JupyterLab. */
export function labHost(runicorn: Runicorn): ICurvesHost {
  const { client, trans, dates, runs, colorScheme } = runicorn;
  const [retried, repainted] = [runs.changed, colorScheme.changed];
  return { client, trans, dates, retried, repainted, copy: copyText };
}

/** Return it for a part of a view. */
export function useLabHost(): ICurvesHost {
  const runicorn = useRunicorn();
  return React.useMemo(() => labHost(runicorn), [runicorn]);
}
