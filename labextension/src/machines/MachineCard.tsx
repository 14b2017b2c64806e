/** One machine: its GPUs with their users, its processors, memory and disk. */

import React from 'react';

import type { Gpu, Machine, Run } from '../api/client.js';
import { isDiskLow } from '../state/machines.js';
import {
  formatBytes,
  formatGib,
  holderLabel,
  holdersOf,
  machineProblem,
  stateOf,
  type IHolder
} from '../ui/gpus.js';
import { plainText } from '../ui/plain.js';
import { useRunicorn } from '../ui/shared.js';

/** The card. */
export function MachineCard(props: { machine: Machine; openRun: (run: Run) => void }): JSX.Element {
  const { machine } = props;
  const { store } = useRunicorn();
  const id = React.useId();
  const connection = store.connection(machine.connection_id);
  const isStale = machine.error !== null && machine.error.code !== 'gpus_unknown';
  return (
    <li
      className="rj-Machine"
      aria-labelledby={id}
      data-connection={machine.connection_id}
      tabIndex={-1}
      data-stale={isStale || undefined}
    >
      <h3 id={id}>
        {machine.host}
        {connection && <span className="rj-Quiet"> {connection.username}</span>}
      </h3>
      <Problem machine={machine} />
      <Gpus machine={machine} openRun={props.openRun} />
      <div className="rj-Machine-parts">
        <Cpu machine={machine} />
        <Memory machine={machine} />
        <Disk machine={machine} />
      </div>
    </li>
  );
}

/** Why something is missing or old. */
function Problem(props: { machine: Machine }): JSX.Element | null {
  const { machine } = props;
  const { trans, dates } = useRunicorn();
  const problem = machineProblem(trans, machine);
  if (problem === null) {
    return null;
  }
  const isOld = machine.error?.code !== 'gpus_unknown' && machine.as_of !== null;
  return (
    <p className="rj-Machine-problem" role="status">
      <span className="rj-Dot" aria-hidden />
      <span>
        {problem.title}
        {isOld && ` ${trans.__('This is as of %1.', dates.clock(new Date(machine.as_of!)))}`}
        {problem.detail && (
          <span className="rj-Quiet" lang="en">
            {' '}
            {problem.detail}
          </span>
        )}
      </span>
    </p>
  );
}

function Gpus(props: { machine: Machine; openRun: (run: Run) => void }): JSX.Element | null {
  const { gpus, error } = props.machine;
  const { trans } = useRunicorn();
  if (!gpus?.length) {
    // The problem is told above, and nothing is known beside it.
    return error === null ? (
      <p className="rj-Quiet">
        {gpus ? trans.__('No GPU that this account can see.') : trans.__('Looking…')}
      </p>
    ) : null;
  }
  return (
    <ul
      className="rj-Machine-gpus"
      aria-label={trans.__('GPUs')}
      data-stale={error?.code === 'gpus_unknown' || undefined}
    >
      {gpus.map(gpu => (
        <GpuRow key={gpu.uuid ?? gpu.index} gpu={gpu} openRun={props.openRun} />
      ))}
    </ul>
  );
}

function GpuRow(props: { gpu: Gpu; openRun: (run: Run) => void }): JSX.Element {
  const { gpu } = props;
  const { trans } = useRunicorn();
  const state = stateOf(gpu);
  const holders = holdersOf(gpu);
  const facts = [
    gpu.temperature_c !== null && `${Math.round(gpu.temperature_c)} °C`,
    gpu.power_w !== null && `${Math.round(gpu.power_w)} W`
  ].filter(Boolean);
  const { memory_used: used, memory_total: total } = gpu;
  const memory =
    used === null || total === null
      ? ''
      : trans.__('%1 of %2', formatGib(used).replace(' GiB', ''), formatGib(total));
  return (
    <li className="rj-Gpu" data-state={state}>
      <div className="rj-Gpu-name">
        <span className="rj-Dot" aria-hidden />
        <strong>{`GPU ${gpu.index}`}</strong>{' '}
        <span className="rj-Quiet rj-Ellipsis" title={gpu.name ? plainText(gpu.name) : undefined}>
          {[gpu.name && plainText(gpu.name), ...facts].filter(Boolean).join(' · ')}
        </span>
      </div>
      <Bar
        label={trans.__('Busy')}
        share={gpu.used_percent === null ? null : gpu.used_percent / 100}
        text={gpu.used_percent === null ? '' : `${Math.round(gpu.used_percent)} %`}
      />
      <Bar
        label={trans.__('Memory')}
        share={used === null || !total ? null : used / total}
        text={memory}
      />
      <div className="rj-Gpu-holders">
        {holders.length === 0 && (
          <span className="rj-Quiet">
            {state === 'free'
              ? trans.__('free')
              : state === 'used'
                ? trans.__('in use by somebody whom the server does not show')
                : trans.__('unknown')}
          </span>
        )}
        {holders.map((holder, index) => (
          <Holder key={index} holder={holder} openRun={props.openRun} />
        ))}
      </div>
    </li>
  );
}

/** Who uses a GPU; a run leads to its page. */
function Holder(props: { holder: IHolder; openRun: (run: Run) => void }): JSX.Element {
  const { holder } = props;
  const { trans, machines } = useRunicorn();
  const run = holder.run ? machines.run(holder.run) : undefined;
  const label = holderLabel(trans, holder, run);
  const commands = holder.processes
    .map(({ pid, command }) => `${pid} ${command === null ? '' : plainText(command)}`.trim())
    .join('\n');
  const memory = holder.memory !== null && (
    <span className="rj-Quiet"> {formatGib(holder.memory)}</span>
  );
  return run ? (
    <span>
      <button
        type="button"
        className="rj-Link"
        title={[trans.__('Show the run'), commands].join('\n')}
        onClick={() => props.openRun(run)}
      >
        {label}
      </button>
      {memory}
    </span>
  ) : (
    <span title={commands}>
      {label}
      {memory}
    </span>
  );
}

/** A share of something as a bar, with the same in words. */
function Bar(props: { label: string; share: number | null; text: string }): JSX.Element {
  const { label, share, text } = props;
  const percent = share === null ? null : Math.round(100 * Math.min(1, Math.max(0, share)));
  return (
    <div className="rj-Bar">
      <span className="rj-Bar-label">{label}</span>
      {percent === null ? (
        <span className="rj-Bar-track" data-unknown />
      ) : (
        <span
          className="rj-Bar-track"
          role="meter"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={percent}
          aria-valuetext={text}
        >
          <span className="rj-Bar-fill" style={{ width: `${percent}%` }} />
        </span>
      )}
      <span className="rj-Bar-text">{text || '–'}</span>
    </div>
  );
}

function Cpu(props: { machine: Machine }): JSX.Element {
  const { count, used_percent: used, load1 } = props.machine.cpu;
  const { trans } = useRunicorn();
  const text = [
    used !== null && `${Math.round(used)} %`,
    count !== null && trans._n('of %1 core', 'of %1 cores', count),
    load1 !== null && trans.__('load %1', load1)
  ].filter(Boolean);
  return (
    <Bar
      label={trans.__('CPU')}
      share={used === null ? null : used / 100}
      text={text.join(' · ').replace(' % · ', ' % ')}
    />
  );
}

function Memory(props: { machine: Machine }): JSX.Element {
  const { total, used } = props.machine.memory;
  const { trans } = useRunicorn();
  const isKnown = total !== null && used !== null;
  return (
    <Bar
      label={trans.__('Main memory')}
      share={isKnown && total > 0 ? used / total : null}
      text={
        isKnown ? trans.__('%1 of %2', formatGib(used).replace(' GiB', ''), formatGib(total)) : ''
      }
    />
  );
}

function Disk(props: { machine: Machine }): JSX.Element | null {
  const { disk } = props.machine;
  const { trans } = useRunicorn();
  if (disk === null) {
    return null;
  }
  const isLow = isDiskLow(disk);
  return (
    <div data-low={isLow || undefined} title={plainText(disk.path)}>
      <Bar
        label={trans.__('Disk')}
        share={disk.total > 0 ? 1 - disk.free / disk.total : null}
        text={trans.__('%1 free of %2', formatBytes(disk.free), formatBytes(disk.total))}
      />
      {isLow && (
        <p className="rj-Machine-warning" role="status">
          {trans.__('The disk is almost full.')}
        </p>
      )}
    </div>
  );
}
