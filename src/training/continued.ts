/** A run that continues another one with other settings: what may differ, how it is identified, and its initial state. */
import { digestOf } from '../core/canonical.js';
import { InputError } from '../core/errors.js';
import { type Experiment, parseExperiment } from '../core/experiment.js';
import { decodeSafetensors, encodeSafetensors } from '../core/safetensors.js';
import { type Checkpoint, decodeCheckpoint, type ReplicaProgress, verifyCheckpoint } from './checkpoint.js';
import { epochSteps, plannedSteps } from './members.js';
import type { TrainingProgram } from './program.js';
import { stepOf } from './replicaState.js';

/** The continued run, as read from its folder. */
export interface Parent {
  readonly name: string; // name of its folder, for messages
  readonly hash: string;
  readonly experiment: Experiment;
  readonly checkpoint: Uint8Array;
}

/** How the new experiment refers to the parent. */
type Continued = NonNullable<Experiment['from']>;

/**
 * The experiment of a run that continues from the parent's checkpoint with other settings: `wanted` with a reference to the parent in
 * the field `from`, which makes its hash unique. @throws InputError naming the first field that may not differ, or why nothing would be
 * left to do; DamageError if the checkpoint has changed since it was written.
 */
export async function continuedExperiment(parent: Parent, wanted: Experiment): Promise<Experiment> {
  const file = `${parent.name}/checkpoint.safetensors`;
  const { metadata } = await verifyCheckpoint(parent.checkpoint, file);
  if (metadata.hash !== parent.hash)
    throw new InputError(`${file}: of experiment ${metadata.hash}, the run is ${parent.hash}; pass another run`);
  const from: Continued = {
    run: parent.hash,
    step: Number(metadata.step),
    checkpoint: await stateDigest(parent.checkpoint, file),
  };
  checkFields(parent, wanted);
  checkLength(parent, wanted);
  checkRest(parent, wanted, from.step, JSON.parse(metadata.progress));
  const given = wanted.from;
  if (given && (given.run !== from.run || given.step !== from.step || given.checkpoint !== from.checkpoint))
    throw new InputError(
      `from: the experiment continues run ${given.run} at step ${given.step} (checkpoint ${given.checkpoint}), ${parent.name} is ` +
        `${from.run} at step ${from.step} (checkpoint ${from.checkpoint}); pass --from with the former, or leave the field out`,
    );
  return parseExperiment({ ...wanted, from });
}

export const parentMissing = ({ run, step }: Continued): InputError =>
  new InputError(
    `from: the experiment continues run ${run} at step ${step}; pass that run's folder with --from, or resume one that has begun`,
  );

/** The initial state of a continued run. @throws InputError if the parent is missing, or is another run. */
export async function continuedState(
  experiment: Experiment,
  parent: Parent | undefined,
  layout: TrainingProgram,
): Promise<Checkpoint> {
  const { step } = experiment.from!;
  if (!parent) throw parentMissing(experiment.from!);
  await continuedExperiment(parent, experiment); // the parent may have changed since
  const file = `${parent.name}/checkpoint.safetensors`;
  const before = decodeCheckpoint(parent.checkpoint, file, parent.hash, experiment.replicas, layout);
  for (const { state } of before.replicas)
    if (stepOf(state) !== step)
      throw new InputError(
        `${parent.name}: its replicas have ended at different steps, ${stepOf(state)} and ${step}; continue a run with replicas of equal length, or single ones`,
      );
  const replicas = before.replicas.map(({ state, progress: { bestLoss, bestStep } }) => ({
    state,
    progress: { bestLoss, bestStep, ended: null },
  }));
  return { hash: before.hash, step, elapsedMs: 0, replicas };
}

/** Digest of a checkpoint's training state; times are left out, so that equal bits have equal names. */
async function stateDigest(bytes: Uint8Array, file: string): Promise<string> {
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  const { hash, step, progress } = metadata;
  return digestOf(encodeSafetensors({ metadata: { hash, step, progress }, tensors }));
}

/** Fields in which a continued run may differ. */
const free = [
  'optimiser.',
  'schedule.',
  'budget.steps',
  'budget.epochs',
  'budget.stopLoss',
  'budget.patience',
  'evaluation.perDoubling',
  'measures',
  'model.dropout',
  'from',
];

const reasons: readonly [field: RegExp, why: string][] = [
  [/^grammar/, 'it would be another language'],
  [/^task/, 'it would be another task'],
  [/^model/, 'its weights have the shape of that model'],
  [/^optimiser\.kind/, 'its moments are those of that optimiser'],
  [/^seed|^replicas/, 'they name the data and the weights'],
  [/^budget\.(batch|accumulate)/, 'the records count training sentences as steps times batch'],
  [/^budget\.sentences/, 'its place in the data is one of that training set'],
  [/^evaluation/, 'its best loss was measured on that set'],
];

function checkFields({ name, hash, experiment }: Parent, wanted: Experiment): void {
  const [before, after] = [flat(experiment), flat(wanted)];
  for (const field of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(field) === after.get(field)) continue;
    if (field !== 'optimiser.kind' && free.some((one) => field === one || (/\.$/.test(one) && field.startsWith(one))))
      continue;
    const why = reasons.find(([pattern]) => pattern.test(field))?.[1] ?? 'what the run has learned depends on it';
    throw new InputError(
      `${field}: got ${after.get(field) ?? 'none'}, the run that is continued (${hash} in ${name}) has ${before.get(field) ?? 'none'}: ${why}; ` +
        'keep it, or train from the start. You may change the optimiser except its kind, schedule, steps, epochs, stopLoss, patience, perDoubling, measures',
    );
  }
}

/** Dotted fields with their values as JSON; `from` is ignored. */
function flat({ from: _, ...experiment }: Experiment): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (value: unknown, path: string) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) visit(inner, path ? `${path}.${key}` : key);
    else if (value !== undefined) found.set(path, JSON.stringify(value));
  };
  visit(experiment, '');
  return found;
}

/** A schedule that depends on the length would have had other rates up to this step. */
function checkLength({ experiment }: Parent, wanted: Experiment): void {
  const [before, after] = [plannedSteps(experiment), plannedSteps(wanted)];
  if (before === after || wanted.schedule.kind !== 'cosine' || experiment.schedule.kind !== 'cosine') return;
  throw new InputError(
    `budget.steps: got ${after}, the run that is continued was planned for ${before}, and its cosine schedule depends on that: up to here ` +
      'its rates were not those of the longer run; keep the length, or pass --set schedule.kind=constant',
  );
}

/** Whether anything is left to do. */
function checkRest(
  { name, hash }: Parent,
  wanted: Experiment,
  step: number,
  progress: readonly ReplicaProgress[],
): void {
  if (progress.some(({ ended }) => ended === 'diverged'))
    throw new InputError(
      `${name}: run ${hash} has diverged at step ${step}; nothing can be continued from its weights`,
    );
  const steps = plannedSteps(wanted);
  if (steps <= step)
    throw new InputError(
      `budget.steps: got ${steps}, run ${hash} has done ${step} already; pass a larger --set budget.steps=...`,
    );
  if (!progress.some(({ ended }) => ended)) return;
  const { stopLoss = -Infinity, patience = Infinity } = wanted.budget;
  for (const { bestLoss, bestStep } of progress) {
    if (bestLoss !== null && bestLoss <= stopLoss)
      throw new InputError(
        `budget.stopLoss: got ${stopLoss}, run ${hash} has ended at ${bestLoss} nats; pass a lower --set budget.stopLoss=..., or null for none`,
      );
    if (step >= patience * Math.max(bestStep, epochSteps(wanted.budget)))
      throw new InputError(
        `budget.patience: got ${patience}, run ${hash} has ended at step ${step}, its best loss came at ${bestStep}; pass a larger --set budget.patience=..., or null for none`,
      );
  }
}
