/** The size and cost of a training, without training: `rhm train --dry-run`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { showNumber } from '../analysis/format.js';
import type { Experiment } from '../core/experiment.js';
import { files } from '../core/outside.js';
import { createModel } from '../models/index.js';
import { groupRuns } from '../sweep/cost.js';
import { evaluationSteps, plannedSteps } from '../training/members.js';

/** @throws InputError for a grammar, data, a model or measures that cannot be trained */
export function trainingPlan(experiment: Experiment, known: { hash: string; out: string; H: readonly number[] }) {
  const [group] = groupRuns([{ hash: known.hash, name: '', experiment }]);
  const steps = plannedSteps(experiment);
  const { batch, accumulate } = experiment.budget;
  const begun = existsSync(join(known.out, files.experiment)) || existsSync(join(known.out, files.records));
  return {
    ...known,
    exists: begun, // --resume would continue it
    steps,
    samples: steps * batch * accumulate,
    evaluations: evaluationSteps(steps, experiment.evaluation.perDoubling).filter(
      (s) => s > (experiment.from?.step ?? 0),
    ).length,
    parameters: createModel(experiment).parameters.reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    ),
    flops: group.flops - group.stepFlops * (experiment.from?.step ?? 0),
    memoryBytes: group.memoryBytes,
    storeBytes: group.storeBytes,
    experiment,
  };
}

export function planText(plan: ReturnType<typeof trainingPlan>): string {
  const { hash, out, exists, H, steps, samples, evaluations, parameters, flops, memoryBytes, storeBytes, experiment } =
    plan;
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const replicas = experiment.replicas > 1 ? ` in each of ${experiment.replicas} replicas` : '';
  return [
    JSON.stringify(experiment, null, 2),
    `experiment   ${hash}`,
    `folder       ${out}${exists ? ', which holds a run already (--resume continues it)' : ''}`,
    ...(experiment.from ? [`continues    ${experiment.from.run} at step ${experiment.from.step}`] : []),
    `steps        ${steps} at most, ${showNumber(samples)} training sentences, ${evaluations} evaluations`,
    `parameters   ${showNumber(parameters)}${replicas}`,
    `arithmetic   ${flops.toExponential(2)} FLOPs to the last step, evaluations included`,
    `memory       ${mib(memoryBytes)} on the device, ${mib(storeBytes)} in the folder`,
    ...(H.length ? [`plateaus     H(0..L): ${H.map((h) => h.toFixed(4)).join(', ')}`] : []),
    'nothing was written (--dry-run)',
  ].join('\n');
}
