/** Runs for tests. */

import type { Run } from '../../api/client.js';

/** Make a run. */
export function run(id: string, values: Partial<Run> = {}): Run {
  return {
    connection_id: 'conn_1',
    host: 'gpu1',
    env_name: 'torch',
    remote_root: '/data/runs',
    run_id: id,
    name: id,
    path: `vision/${id}`,
    project: 'vision',
    status: 'finished',
    tags: [],
    created_at: '2026-11-24T10:00:00Z',
    started_at: null,
    ended_at: null,
    duration_seconds: 60,
    pid: null,
    step: 1,
    metrics: { loss: 0.5 },
    params: {},
    params_left_out: 0,
    code_snapshot: null,
    summary: {},
    summary_left_out: 0,
    best: null,
    page: `/runs/${id}`,
    ...values
  };
}
