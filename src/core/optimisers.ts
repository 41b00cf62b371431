import * as z from 'zod';
import { type Fields, oneOf, positive } from './fields.js';

const decayed = (how: string) => ({
  weightDecay: z.number().min(0).max(1).default(0).describe(how),
  clip: positive.optional().describe('upper bound on the global gradient norm'),
});
const DECOUPLED = 'decoupled weight decay, times the rate';
const beta = (value: number, what: string, max = 0.9999) => z.number().min(0).max(max).default(value).describe(what);

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
      momentum: beta(0, 'momentum'),
      ...decayed('weight decay, added to the gradient'),
    },
  },
  adamw: {
    title: 'AdamW',
    about: 'Adam with decoupled weight decay',
    fields: {
      rate: positive.default(1e-3).describe('learning rate'),
      beta1: beta(0.9, 'decay rate of the running mean of gradients'),
      beta2: beta(0.999, 'decay rate of the mean of their squares', 0.99999),
      epsilon: z.number().positive().max(1).default(1e-8).describe('added to the square root of that mean'),
      ...decayed(DECOUPLED),
    },
  },
  lion: {
    title: 'Lion',
    about: 'steps of constant size, along the sign of averaged gradients',
    fields: {
      rate: positive.default(1e-4).describe('learning rate, the size of every step'),
      beta1: beta(0.9, 'share of the averaged gradients in the direction of a step'),
      beta2: beta(0.99, 'decay rate of the averaged gradients', 0.99999),
      ...decayed(DECOUPLED),
    },
  },
} satisfies Record<string, { title: string; about: string; fields: Fields }>;

export const optimiserSchema = oneOf(optimisers);
export type OptimiserTable = typeof optimisers;
