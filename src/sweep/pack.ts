/** Which runs train side by side in one plan. */
import { InputError } from '../core/errors.js';
import type { Experiment } from '../core/experiment.js';
import { measures } from '../measures/index.js';
import type { Executor } from '../plan/executor.js';
import { groupKey } from '../training/groupKey.js';
import { membersOf } from '../training/members.js';
import { trainingProgram } from '../training/program.js';

export interface PackLimits {
  replicas: number; // maximum over all runs of a plan; a run with more has its own plan
  memoryBytes?: number; // maximum for a plan; default: no bound
}

/** Runs by their groupKey, keys in the order of their first runs. @throws InputError for an experiment that no model fits */
export function byGroupKey<T extends { readonly experiment: Experiment }>(runs: readonly T[]): Map<string, T[]> {
  const byKey = new Map<string, T[]>();
  for (const run of runs) {
    const key = groupKey(run.experiment);
    const same = byKey.get(key);
    if (same) same.push(run);
    else byKey.set(key, [run]);
  }
  return byKey;
}

/**
 * Runs of one groupKey in groups as equal in size as the limits allow, in the order given; groups are in the order of their first
 * runs. The grouping does not affect a run's result. @throws InputError for an experiment that no model fits
 */
export function pack<T extends { readonly experiment: Experiment }>(
  runs: readonly T[],
  { replicas, memoryBytes = Infinity }: PackLimits,
): T[][] {
  if (!(replicas >= 1)) throw new InputError(`replicas: got ${replicas}; pass at least 1`);
  const groups: { first: number; runs: T[] }[] = [];
  const place = new Map(runs.map((run, i) => [run, i]));
  for (const same of byGroupKey(runs).values()) {
    const memory = memoryBytes === Infinity ? replicas : Math.floor(memoryBytes / replicaBytes(same[0].experiment));
    for (const group of share(same, Math.max(1, Math.min(replicas, memory))))
      groups.push({ first: place.get(group[0])!, runs: group });
  }
  return groups.sort((a, b) => a.first - b.first).map((group) => group.runs);
}

/**
 * The number of replicas that pays on an executor: on the CPU each costs as much as alone, while a GPU needs several to be
 * filled.
 */
export function packLimits(executor: Executor): PackLimits {
  if (executor.kind !== 'webgpu') return { replicas: 1 };
  return { replicas: 16, memoryBytes: 2 ** 33 };
}

/** Device memory of one replica: the buffers of its program that grow with the number of replicas. */
export function replicaBytes(experiment: Experiment): number {
  const [member] = membersOf(experiment);
  return trainingProgram([member], measures).program.buffers.reduce((sum, { elements }) => sum + 4 * elements, 0);
}

/** As few groups as `most` replicas allow, as equal as possible. */
function share<T extends { readonly experiment: Experiment }>(runs: readonly T[], most: number): T[][] {
  let left = runs.reduce((sum, run) => sum + run.experiment.replicas, 0);
  const groups: T[][] = [];
  let size = 0;
  let wanted = 0;
  for (const run of runs) {
    const { replicas } = run.experiment;
    if (!groups.length || size + replicas > most || size >= wanted) {
      groups.push([]);
      size = 0;
      wanted = left / Math.ceil(left / most);
    }
    groups[groups.length - 1].push(run);
    size += replicas;
    left -= replicas;
  }
  return groups;
}
