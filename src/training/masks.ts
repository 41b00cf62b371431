/** Input of the operation `mask`: which tokens of each replica's sentences are masked. */

import type { Experiment } from '../core/experiment.js';
import { maskLaw, maskOf, maskWords } from '../core/masking.js';
import { tasks } from '../core/tasks.js';
import { type Key, streamKey } from '../core/threefry.js';
import { modelShape } from '../models/types.js';
import type { ProgramBuilder } from '../plan/builder.js';
import type { Tensor } from '../plan/types.js';
import type { Split, SplitOptions } from './batches.js';
import type { Member } from './members.js';

const substreams: Record<Split, number> = { train: 0, validation: 1, test: 2 };

/** Key of the masks of a set. Masks are drawn by the number of a sentence across epochs, so that they differ from epoch to epoch. */
export const maskKey = (seed: number, set: Split): Key => streamKey(seed, 'mask', substreams[set]);

export interface Masks {
  law: Tensor; // u32 [R, 2 + T]
  keys: { train: Tensor; test: Tensor; validation?: Tensor }; // u32 [R, 2]
  constants: { tensor: Tensor; data: Uint32Array }[];
}

/** undefined if the task masks nothing. validated: there is a validation set. */
export function declareMasks(
  builder: ProgramBuilder,
  members: readonly Member[],
  validated: boolean,
): Masks | undefined {
  if (!tasks[members[0].experiment.task.kind].masks) return undefined;
  const constants: Masks['constants'] = [];
  const declare = (name: string, row: (member: Member) => ArrayLike<number>): Tensor => {
    const rows = members.map(row);
    const tensor = builder.persistent(`mask/${name}`, [rows[0].length], 'u32');
    constants.push({ tensor, data: Uint32Array.from(rows.flatMap((words) => Array.from(words))) });
    return tensor;
  };
  const keys = (set: Split) => declare(set, ({ seed }) => maskKey(seed, set));
  return {
    law: declare('law', ({ experiment }) => maskWords(maskLaw(experiment))),
    keys: { train: keys('train'), test: keys('test'), validation: validated ? keys('validation') : undefined },
    constants,
  };
}

/** The masks of a split on the host. */
export interface HostMasks {
  /**
   * Replaces the masked tokens of sentences first, first + 1, ... with v; tokens [count, s^L]. @returns how many tokens of each are
   * masked
   */
  hide(first: number, count: number, tokens: Uint32Array): Uint32Array;
}

/** undefined if the task masks nothing. */
export function hostMasks(
  experiment: Experiment,
  { split = 'train', replica = 0 }: SplitOptions,
): HostMasks | undefined {
  if (!tasks[experiment.task.kind].masks) return undefined;
  const words = maskWords(maskLaw(experiment));
  const key = maskKey(experiment.seed + replica, split);
  const { d, firstToken, length, v } = modelShape(experiment);
  const hidden = new Uint8Array(length);
  return {
    hide: (first, count, tokens) =>
      Uint32Array.from({ length: count }, (_, row) => {
        const masked = maskOf(words, key, first + row, hidden);
        for (let i = 0; i < length; i++) if (hidden[i]) tokens[row * d + firstToken + i] = v;
        return masked;
      }),
  };
}
