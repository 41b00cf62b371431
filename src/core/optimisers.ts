import * as z from 'zod';
import { type Fields, oneOf, positive } from './fields.js';

const decayed = {
  weightDecay: z.number().min(0).max(1).default(0),
  clip: positive.optional().describe('upper bound on the global gradient norm'),
};
const beta = (value: number, max = 0.9999) => z.number().min(0).max(max).default(value);

/**
 * Every optimiser, one row each: its name in menus, half a sentence for help texts, and its fields. `training/optimisers.ts` implements
 * each row, and does not compile if one is missing there.
 */
export const optimisers = {
  sgd: {
    title: 'SGD',
    about: 'stochastic gradient descent, optionally with momentum',
    fields: {
      rate: positive.default(1).describe('base learning rate; times w in mean-field scaling'),
      momentum: beta(0),
      ...decayed,
    },
  },
  adamw: {
    title: 'AdamW',
    about: 'Adam with decoupled weight decay',
    fields: {
      rate: positive.default(1e-3).describe('learning rate'),
      beta1: beta(0.9),
      beta2: beta(0.999, 0.99999),
      epsilon: z.number().positive().max(1).default(1e-8),
      ...decayed,
    },
  },
  lion: {
    title: 'Lion',
    about: 'steps of constant size, along the sign of averaged gradients',
    fields: {
      rate: positive.default(1e-4).describe('learning rate, the size of every step'),
      beta1: beta(0.9),
      beta2: beta(0.99, 0.99999),
      ...decayed,
    },
  },
} satisfies Record<string, { title: string; about: string; fields: Fields }>;

export const optimiserSchema = oneOf(optimisers);
export type OptimiserTable = typeof optimisers;
