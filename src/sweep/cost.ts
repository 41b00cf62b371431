/** The cost of a sweep before it is run: arithmetic, memory, space in the store, and time from a short calibration. */
import type { Experiment } from '../core/experiment.js';
import { DEFAULT_TASK } from '../core/tasks.js';
import { kernelOf } from '../kernels/index.js';
import { measures } from '../measures/index.js';
import type { Executor } from '../plan/executor.js';
import { evaluationSteps, membersOf, plannedSteps } from '../training/members.js';
import { type TrainingProgram, trainingProgram } from '../training/program.js';
import { parameterRows } from '../training/replicaState.js';
import { Trainer } from '../training/trainer.js';
import type { SweepRun } from './grid.js';
import { byGroupKey, pack, packLimits } from './pack.js';

/** Runs that have the same shapes and can train side by side. */
export interface SweepGroup {
  readonly key: string;
  readonly about: string; // for people
  readonly runs: readonly SweepRun[];
  readonly parameters: number; // for one replica
  readonly stepFlops: number; // for one run, all its replicas
  readonly evaluationFlops: number; // for one evaluation, including measures
  readonly flops: number; // for all runs to their ends
  readonly memoryBytes: number; // on the device, for one run
  readonly storeBytes: number; // for all runs, estimated
  plans?: number; // number of plans into which its runs are packed on the executor of the calibration
  seconds?: number; // for all its plans one after the other; absent before a calibration
  measured?: boolean; // the time was measured for this group, not estimated from another group's by FLOPs
}

/** Groups in order of their first run. */
export function groupRuns(runs: readonly SweepRun[]): SweepGroup[] {
  return [...byGroupKey(runs)].map(([key, group]) => groupOf(key, group));
}

function groupOf(key: string, runs: readonly SweepRun[]): SweepGroup {
  const { experiment } = runs[0];
  const training = trainingProgram(membersOf(experiment), measures);
  const stepFlops = flopsOf(training, ['train']);
  const counted = ['train', 'evaluate', 'validate', 'recall'];
  const others = [...training.program.plans.keys()].filter((name) => !counted.includes(name));
  const { plan, chunks } = training.validation ?? training.test;
  const evaluationFlops = chunks * flopsOf(training, [plan]) + flopsOf(training, others);
  let flops = 0;
  let storeBytes = 0;
  for (const run of runs) {
    const evaluations = evaluationsOf(run.experiment);
    flops += plannedSteps(run.experiment) * stepFlops + evaluations * evaluationFlops;
    storeBytes += storedBytes(run.experiment, training, evaluations);
  }
  return {
    key,
    about: describe(runs),
    runs,
    parameters: training.program.parameterCount,
    stepFlops,
    evaluationFlops,
    flops,
    memoryBytes: training.program.buffers.reduce((sum, buffer) => sum + 4 * buffer.elements, 0),
    storeBytes,
  };
}

function describe(runs: readonly SweepRun[]): string {
  const { model, grammar, task, budget, replicas } = runs[0].experiment;
  const sizes: Record<string, unknown> = model;
  const size = ['width', 'channels', 'heads']
    .flatMap((name) => (name in sizes ? `${name} ${sizes[name]}` : []))
    .join(', ');
  const m = [...new Set(runs.map(({ experiment }) => experiment.grammar.m))].join(',');
  const { v, s, L } = grammar;
  const more = [task.kind !== DEFAULT_TASK && task.kind, replicas > 1 && `${replicas} replicas`].filter(Boolean);
  const batch = budget.batch * budget.accumulate;
  return [`${model.kind} ${size}`, `v=${v} m=${m} s=${s} L=${L}`, `batch ${batch}`, ...more].join(', ');
}

function flopsOf({ program }: TrainingProgram, plans: readonly string[]): number {
  const calls = plans.flatMap((name) => program.plans.get(name)!.calls);
  return calls.reduce((sum, call) => sum + kernelOf(call).cost(call).flops, 0);
}

const evaluationsOf = (experiment: Experiment): number =>
  evaluationSteps(plannedSteps(experiment), experiment.evaluation.perDoubling).length;

const RECORD_BYTES = 120; // approximate size of a line in records.jsonl
const FILE_BYTES = 4096; // approximate size of experiment and rules, and the rounding of file sizes

/** Weights, moments and best weights as in the checkpoint, and the records. */
function storedBytes(experiment: Experiment, training: TrainingProgram, evaluations: number): number {
  const numbers = training.program.parameterCount * parameterRows(training);
  const records = evaluations * (1 + 8 * experiment.measures.length);
  return experiment.replicas * (4 * numbers + records * RECORD_BYTES) + FILE_BYTES;
}

export interface CalibrationOptions {
  groups?: number; // maximum number to measure; others are estimated by their FLOPs; default 6
  groupMs?: number; // training time for each; default 150
  signal?: AbortSignal;
}

/**
 * Trains a pack of each of the costliest groups for a moment and sets every group's `plans` and `seconds`. A run that stops early
 * (stopLoss) takes less. @throws GpuError and similar errors
 */
export async function calibrate(
  groups: readonly SweepGroup[],
  executor: Executor,
  options: CalibrationOptions = {},
): Promise<void> {
  const { groups: most = 6, groupMs = 150, signal } = options;
  const costliest = [...groups].sort((a, b) => b.flops - a.flops).slice(0, most);
  let flops = 0;
  let seconds = 0;
  for (const group of costliest) {
    if (signal?.aborted) break;
    const packs = pack(group.runs, packLimits(executor));
    group.plans = packs.length;
    group.seconds = await secondsOf(packs, executor, groupMs);
    group.measured = true;
    flops += group.flops;
    seconds += group.seconds;
  }
  for (const group of groups)
    if (!group.measured) {
      group.plans = pack(group.runs, packLimits(executor)).length;
      group.seconds = (group.flops * seconds) / flops;
    }
}

/** Time of packs; among packs of equal shapes one is measured and the others follow from their replicas. */
async function secondsOf(packs: SweepRun[][], executor: Executor, groupMs: number): Promise<number> {
  const members = packs[0].flatMap(({ experiment }) => membersOf(experiment));
  const training = trainingProgram(members, measures);
  const trainer = await Trainer.create(members, executor, undefined, training);
  const time = async (work: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await work();
    return (performance.now() - start) / 1000;
  };
  const steps = async (count: number) => {
    await trainer.advance(count);
    await trainer.finish();
  };
  const evaluate = async () => {
    await trainer.evaluate();
    await trainer.measure();
  };
  try {
    await time(() => steps(2)); // compiles the code that runs
    let count = 1;
    let taken = await time(() => steps(count));
    while (taken < groupMs / 1000) {
      count = Math.min(10 * count, Math.ceil((1.5 * count * groupMs) / 1000 / Math.max(taken, 1e-6)));
      taken = await time(() => steps(count));
    }
    await evaluate();
    const perEvaluation = await time(evaluate);
    const perReplica = (run: SweepRun) =>
      (run.experiment.replicas / members.length) *
      ((plannedSteps(run.experiment) * taken) / count + evaluationsOf(run.experiment) * perEvaluation);
    return packs.flat().reduce((sum, run) => sum + perReplica(run), 0);
  } finally {
    trainer.destroy();
  }
}
