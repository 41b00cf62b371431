import { clockWords } from '../core/clock.js';
import { elementsPerReplica, type Tensor } from '../plan/types.js';
import type { TrainingProgram } from './program.js';

type Numbers = Float32Array | Float64Array;

/**
 * Everything of one replica that continues a run to the same bits: a row of each tensor of `stateParts`, under its name and perhaps a
 * view of it. Besides those below there are the optimiser's moments, [P] each.
 */
export interface ReplicaState extends Readonly<Record<string, Numbers | Uint32Array>> {
  readonly params: Numbers; // [P]
  readonly best: Numbers; // [P]
  readonly clock: Uint32Array; // [8]
  readonly pace: Numbers; // [4]
}

/** A part of the state: where it is on the device, and where in a checkpoint. */
export interface StatePart {
  name: string;
  tensor: Tensor;
  /**
   * As long as the parameters and stored in the same way, with this prefix before their names; undefined: stored as
   * `state/<name>`.
   */
  group?: string;
  startsAsWeights?: boolean; // default: starts at zero, or as `start`
  start?: Uint32Array;
}

/** The list of all parts, in the order of the checkpoint. */
export function stateParts({ params, moments, best, state, scalingStart }: TrainingProgram): StatePart[] {
  return [
    { name: 'params', tensor: params, group: '', startsAsWeights: true },
    ...moments.map((tensor) => ({ name: tensor.name, tensor, group: `optimiser/${tensor.name}/` })),
    { name: 'best', tensor: best, group: 'best/', startsAsWeights: true },
    { name: 'clock', tensor: state.clock },
    { name: 'pace', tensor: state.pace },
    ...(state.scaling ? [{ name: 'scaling', tensor: state.scaling, start: scalingStart }] : []),
  ];
}

/** Number of rows as long as the parameters that a checkpoint contains per replica: weights, moments, best weights. */
export const parameterRows = (training: TrainingProgram): number =>
  stateParts(training).filter(({ group }) => group !== undefined).length;

/** A state made part by part. */
export function makeState(training: TrainingProgram, row: (part: StatePart) => ReplicaState[string]): ReplicaState {
  return Object.fromEntries(stateParts(training).map((part) => [part.name, row(part)])) as unknown as ReplicaState;
}

/** The state at step 0 with these weights. */
export const stateAt = (training: TrainingProgram, weights: Numbers): ReplicaState =>
  makeState(training, ({ tensor, startsAsWeights, start }) => {
    if (startsAsWeights) return weights;
    if (start) return start;
    return new (tensor.dtype === 'u32' ? Uint32Array : Float32Array)(elementsPerReplica(tensor));
  });

export const copyState = (state: ReplicaState): ReplicaState =>
  Object.fromEntries(Object.entries(state).map(([name, row]) => [name, row.slice()])) as unknown as ReplicaState;

/** Number of steps that a state has done. */
export const stepOf = ({ clock }: ReplicaState): number => clock[clockWords.step];
