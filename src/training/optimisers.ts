import type { hyperWords } from '../core/clock.js';
import type { Optimiser, OptimiserKind } from '../core/experimentTypes.js';
import { adamw } from '../kernels/adamw.js';

import { lion } from '../kernels/lion.js';
import { sgd } from '../kernels/sgd.js';
import type { PlanBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';

type Of<Kind extends OptimiserKind> = Extract<Optimiser, { kind: Kind }>;

/** Tensors that every update reads and changes. */
type UpdatedBlocks = Omit<Parameters<typeof sgd>[1], 'velocity' | 'plain'>;

/** How an optimiser trains: the state it keeps between steps, and the call that changes the weights. */
export interface OptimiserSpec<Kind extends OptimiserKind, Moment extends string = string> {
  /** Blocks of the same size as the parameters, which start at zero and are saved in checkpoints under these names. */
  moments: readonly Moment[];
  /** The kernel's numbers besides rate and weight decay; omitted ones are 0. */
  hyper(optimiser: Of<Kind>): Partial<Pick<Record<keyof typeof hyperWords, number>, Hyper>>;
  /** plain: see `isPlain`; must be true of every replica of the plan. */
  update(plan: PlanBuilder, blocks: UpdatedBlocks, moments: Record<Moment, Tensor>, plain: boolean): void;
  /** Whether a step is the gradient times the rate, so that a GPU may update inside products (kernels/shared/fuseUpdate.ts). */
  isPlain?(optimiser: Of<Kind>): boolean;
}
export type Hyper = 'momentum' | 'beta1' | 'beta2' | 'epsilon';

/** Links the names of the moments to the parameters of `update`. */
const define = <Kind extends OptimiserKind, Moment extends string>(
  _: Kind,
  row: OptimiserSpec<Kind, Moment>,
): OptimiserSpec<Kind> => row;

/** One row per optimiser; its fields are in core/optimisers.ts. */
const optimisers = {
  sgd: define('sgd', {
    moments: ['velocity'],
    hyper: ({ momentum }) => ({ momentum }),
    update: (plan, blocks, moments, plain) => sgd(plan, { ...blocks, ...moments, plain }),
    isPlain: ({ momentum, weightDecay }) => momentum === 0 && weightDecay === 0,
  }),
  adamw: define('adamw', {
    moments: ['moment1', 'moment2'],
    hyper: ({ beta1, beta2, epsilon }) => ({ beta1, beta2, epsilon }),
    update: (plan, blocks, moments) => adamw(plan, { ...blocks, ...moments }),
  }),
  lion: define('lion', {
    moments: ['moment'],
    hyper: ({ beta1, beta2 }) => ({ beta1, beta2 }),
    update: (plan, blocks, moments) => lion(plan, { ...blocks, ...moments }),
  }),
} satisfies { [Kind in OptimiserKind]: OptimiserSpec<Kind> };

export function optimiserSpec(kind: OptimiserKind): OptimiserSpec<OptimiserKind> {
  return optimisers[kind];
}
