/** What there is to say of a machine: who holds a GPU, what is free, and in which words. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { Gpu, GpuProcess, Machine, Run, RunKey } from '../api/client.js';
import { keyOfRun } from '../state/runs.js';
import { plainText } from './plain.js';

/** A GPU on which less is used, of its memory or its time, is nobody's. */
const FREE_SHARE = 0.05;
const GIB = 2 ** 30;

/** A run, or else an account, with its processes on one GPU. */
export interface IHolder {
  run: RunKey | null;
  /** Whether they are of the connection's account; null: unknown. */
  isMine: boolean | null;
  user: string | null;
  /** Bytes of the GPU's memory; null: unknown. */
  memory: number | null;
  processes: readonly GpuProcess[];
}

/** Put the processes on a GPU together by their run, or else by their account. */
export function holdersOf(gpu: Gpu): IHolder[] {
  const byHolder = new Map<string, GpuProcess[]>();
  for (const process of gpu.processes) {
    const key = process.run ? keyOfRun(process.run) : JSON.stringify([process.user, process.mine]);
    byHolder.set(key, [...(byHolder.get(key) ?? []), process]);
  }
  return [...byHolder.values()].map(processes => {
    const [first] = processes as [GpuProcess];
    const sizes = processes.map(process => process.memory);
    return {
      ...{ run: first.run, isMine: first.mine, user: first.user, processes },
      memory: sizes.includes(null) ? null : sizes.reduce<number>((sum, size) => sum + size!, 0)
    };
  });
}

/** Whose a GPU is; `used`: somebody's whom the server does not show. */
export type GpuState = 'free' | 'mine' | 'other' | 'used' | 'unknown';

/** Say whose a GPU is. */
export function stateOf(gpu: Gpu): GpuState {
  if (gpu.processes.length > 0) {
    return gpu.processes.some(process => process.mine || process.run) ? 'mine' : 'other';
  }
  const shares = [
    gpu.memory_used !== null && gpu.memory_total ? gpu.memory_used / gpu.memory_total : null,
    gpu.used_percent === null ? null : gpu.used_percent / 100
  ].filter(share => share !== null);
  if (shares.length === 0) {
    return 'unknown';
  }
  return shares.every(share => share < FREE_SHARE) ? 'free' : 'used';
}

/** Name a holder. */
export function holderLabel(
  trans: TranslationBundle,
  holder: IHolder,
  run: Run | undefined
): string {
  const user = holder.user === null ? null : plainText(holder.user);
  if (holder.run !== null) {
    const name = plainText(run?.name || run?.path || holder.run.run_id);
    return holder.isMine === false && user ? `${user}: ${name}` : trans.__('you: %1', name);
  }
  if (holder.isMine) {
    return trans.__('you');
  }
  return user ?? trans.__('somebody');
}

/** Say of a GPU in a few words whose it is, and how busy or full. */
export function gpuLabel(
  trans: TranslationBundle,
  gpu: Gpu,
  runOf: (key: RunKey) => Run | undefined
): string {
  const state = stateOf(gpu);
  const memory = gpu.memory_used === null ? '' : formatGib(gpu.memory_used);
  const busy = gpu.used_percent === null ? memory : `${Math.round(gpu.used_percent)} %`;
  const words = (who: string, much: string): string => `GPU ${gpu.index} ${who} ${much}`.trim();
  switch (state) {
    case 'free':
      return words(trans.__('free'), '');
    case 'mine': {
      const holder =
        holdersOf(gpu).find(each => each.run) ?? holdersOf(gpu).find(each => each.isMine)!;
      return words(holderLabel(trans, holder, holder.run ? runOf(holder.run) : undefined), busy);
    }
    case 'other':
      return words(
        gpu.processes.some(process => process.mine === false)
          ? trans.__('another user')
          : trans.__('somebody'),
        memory
      );
    case 'used':
      return words(trans.__('in use'), memory || busy);
    default:
      return words(trans.__('unknown'), '');
  }
}

/** The bytes of a GPU's memory that nobody has; null: unknown. */
export function freeMemoryOf(gpu: Gpu): number | null {
  return gpu.memory_total === null || gpu.memory_used === null
    ? null
    : Math.max(0, gpu.memory_total - gpu.memory_used);
}

/** Sort machines: the one first that has the most free memory on one GPU, then on all; by GiB. */
export function freestFirst(machines: readonly Machine[]): Machine[] {
  const ranks = new Map(
    machines.map(machine => {
      const free = (machine.gpus ?? []).map(gpu => Math.round((freeMemoryOf(gpu) ?? 0) / GIB));
      return [machine, [Math.max(-1, ...free), free.reduce((sum, each) => sum + each, 0)] as const];
    })
  );
  return [...machines].sort((a, b) => {
    const [ofA, ofB] = [ranks.get(a)!, ranks.get(b)!];
    return ofB[0] - ofA[0] || ofB[1] - ofA[1];
  });
}

/** Write a size of memory. */
export function formatGib(bytes: number): string {
  const gib = bytes / GIB;
  return `${gib < 9.95 ? gib.toFixed(1) : gib.toFixed(0)} GiB`;
}

/** Write a size of a disk. */
export function formatBytes(bytes: number): string {
  const [unit, size] = bytes < 1e12 ? ['GB', bytes / 1e9] : ['TB', bytes / 1e12];
  return `${size < 9.95 ? size.toFixed(1) : size.toFixed(0)} ${unit}`;
}

/** Say why something of a machine is missing or old: a sentence of ours, and the server's own words. */
export function machineProblem(
  trans: TranslationBundle,
  machine: Machine
): { title: string; detail: string } | null {
  if (machine.error === null) {
    return null;
  }
  const { code, message } = machine.error;
  switch (code) {
    case 'gpus_unknown':
      return { title: trans.__('Its GPUs cannot be looked at.'), detail: message };
    case 'connection_lost':
      return { title: trans.__('It is not connected.'), detail: '' };
    default:
      return { title: trans.__('It cannot be looked at.'), detail: message };
  }
}
