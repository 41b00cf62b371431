/** What an experiment may contain, field by field: ranges, defaults and descriptions, for messages, menus, files and types. */
import * as z from 'zod';
import { count } from './fields.js';
import { DEFAULT_MODEL, modelSchema } from './modelFacts.js';
import { optimiserSchema } from './optimisers.js';
import { precisions } from './precision.js';
import { type GrammarShape, grammarLimits, TOKEN_LIMIT } from './rules.js';
import { DEFAULT_TASK, taskKinds, tasks } from './tasks.js';

const seed = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const weights = z.union([
  z.literal('uniform'),
  z.strictObject({ zipf: z.number().min(0) }),
  z.array(z.number().min(0)),
]);

const size = (name: keyof GrammarShape) => z.number().int().min(grammarLimits[name][0]).max(grammarLimits[name][1]);
const grammar = z.strictObject({
  v: size('v').default(16).describe('v, vocabulary size'),
  n: size('n').optional().describe('n, root symbols; default: v'),
  m: size('m').default(4).describe('m, production rules per symbol'),
  s: size('s').default(2).describe('s, branching factor'),
  L: size('L').default(4).describe('L, depth; a sentence has s^L tokens'),
  seed: seed.optional().describe('seed of the rules; default: the seed of the experiment'),
  shuffle: seed
    .optional()
    .describe(
      'seed of a permutation of the positions of the context, the same for all sentences; default: the order of the tree',
    ),
  holdout: z
    .strictObject({
      level: z
        .number()
        .int()
        .min(2)
        .max(grammarLimits.L[1])
        .describe('level of the parents, 2 (their children write the tokens) to L (the root)'),
      fraction: z
        .number()
        .gt(0)
        .max(1)
        .describe(
          'fraction of the m rules of a child that is held out below each rule of its parent, rounded to whole rules',
        ),
      seed: seed.optional().describe('seed of the pairs; default: that of the rules'),
    })
    .optional()
    .describe(
      'pairs (rule of a symbol, rule of one of its children) that no sentence of training, validation and test has; measure holdout: how networks do on those that have some',
    ),
  rootPrior: weights.optional().describe('probabilities of the root symbols; default uniform'),
  ruleProbabilities: z
    .union([weights, z.array(z.union([weights, z.null()]))])
    .optional()
    .describe('probabilities of the m rules, one value for all levels or one per level; default uniform'),
  rules: z
    .array(z.array(z.array(z.array(z.number().int().min(0)))))
    .optional()
    .describe('the rules: [level][symbol][rule] = tuple; default: drawn from the seed'),
});

const logicWeight = z.number().min(0).max(1e6).optional();
const task = z.strictObject({
  kind: z
    .enum(taskKinds)
    .default(DEFAULT_TASK)
    .describe(`predict ${inWords(taskKinds.map((kind) => tasks[kind].predicts))}`),
  context: count(TOKEN_LIMIT)
    .optional()
    .describe('number of tokens to use, counted from the end and including the predicted one; default: all s^L'),
  fraction: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe(
      'task mask: fraction of the tokens that is masked in each sentence; default: drawn for each sentence, from 1 token to all',
    ),
  positions: z
    .array(z.number().int().min(0))
    .optional()
    .describe('task mask: positions masked in every sentence, counted from 0; default: drawn for each sentence'),
  logic: z
    .strictObject({
      parent: logicWeight.describe('a parent implies one of its tuples'),
      tuple: logicWeight.describe('a tuple implies its parent'),
      exclusive: logicWeight.describe('symbols of one place exclude each other'),
    })
    .optional()
    .describe('task parse: weights of the logic of the grammar in the loss; default: labels alone'),
});

const schedule = z.strictObject({
  kind: z.enum(['constant', 'cosine']).default('constant').describe('schedule of the learning rate'),
  warmup: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0)
    .describe('steps of linear warm-up'),
  floor: z.number().min(0).max(1).default(0.1).describe('final rate over base rate, for cosine'),
});

const budget = z.strictObject({
  batch: count(2 ** 20)
    .default(128)
    .describe('sentences per step'),
  accumulate: count(4096).default(1).describe('batches per step, whose gradients are averaged'),
  steps: count(2 ** 31)
    .optional()
    .describe('optimiser steps; default 65536 online, or what the epochs need'),
  sentences: count(2 ** 31)
    .optional()
    .describe('P, number of distinct training sentences; default: online, with a fresh batch at every step'),
  epochs: count(2 ** 20)
    .optional()
    .describe('passes over the P sentences'),
  stopLoss: z
    .number()
    .min(0)
    .optional()
    .describe('stop when the test loss (or the validation loss, if there is one) is at most this, in nats'),
  patience: z
    .number()
    .gt(1)
    .max(1e6)
    .optional()
    .describe(
      'stop after this many times the number of steps at which the validation loss was best (at least one epoch); needs evaluation.validation',
    ),
});

const evaluation = z.strictObject({
  size: count(2 ** 24)
    .default(4096)
    .describe('test sentences'),
  validation: count(2 ** 24)
    .optional()
    .describe(
      'number of validation sentences, disjoint from training and test; used for stopLoss, patience and the best weights',
    ),
  perDoubling: count(64)
    .default(4)
    .describe('k, evaluations per doubling of the steps: at 1, 2, 3, ... then at every factor of 2^(1/k)'),
  positions: z
    .enum(['all', 'last'])
    .optional()
    .describe("for task 'auto': evaluate all predictions, or only that of the last token; default all"),
});

const digest = z.string().regex(/^[0-9a-f]{16}$/, 'pass 16 hexadecimal digits');
const from = z
  .strictObject({
    run: digest.describe('hash of the run'),
    step: z
      .number()
      .int()
      .min(0)
      .max(2 ** 31)
      .describe('number of steps it had done'),
    checkpoint: digest.describe('digest of its checkpoint'),
  })
  .optional()
  .describe('the run that this one continues; written by rhm train --from');

const rows = z.strictObject({
  digest: digest.describe('of the rows'),
  rows: count(2 ** 31).describe('N, sequences of tokens'),
});
const data = z
  .strictObject({ train: rows, validation: rows.optional(), test: rows })
  .optional()
  .describe(
    'tokens to train on instead of sentences of the grammar: {"train": "x.npy", "test": "y.npy"}, with "validation" if there is such a set; a run contains their digests',
  );

const fieldsWith = (model: ReturnType<typeof modelSchema>) => ({
  grammar: grammar.prefault({}),
  task: task.prefault({}),
  model: model.prefault({ kind: DEFAULT_MODEL }),
  optimiser: optimiserSchema.optional(),
  schedule: schedule.prefault({}),
  budget: budget.prefault({}),
  evaluation: evaluation.prefault({}),
  precision: z
    .enum(precisions)
    .optional()
    .describe(
      'f16: round the factors of matrix products and attention to half precision, for tensor cores; default f32',
    ),
  measures: z.array(z.string()).default([]).describe('measures of representation, by name; rhm measures lists them'),
  replicas: count(4096).default(1).describe('R, number of replicas: copies with different seeds, trained side by side'),
  seed: seed.default(0).describe('first seed; replica r has seed + r'),
  data,
  from,
});

const schemaWith = (model: ReturnType<typeof modelSchema>) => z.strictObject(fieldsWith(model));
let known: { model: ReturnType<typeof modelSchema>; schema: ReturnType<typeof schemaWith> } | undefined;

/** The whole schema; rebuilt when a model is registered. */
export function experimentSchema(): ReturnType<typeof schemaWith> {
  const model = modelSchema();
  if (known?.model !== model) known = { model, schema: schemaWith(model) };
  return known.schema;
}

/** Parts that do not depend on which models exist. */
export const sections = { grammar, task, schedule, budget, evaluation };

/** `a, b, or c`. */
function inWords(parts: readonly string[]): string {
  return `${parts.slice(0, -1).join(', ')}, or ${parts[parts.length - 1]}`;
}
