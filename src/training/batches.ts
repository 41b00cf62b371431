/** The sentences of an experiment on the host, in the order and the batches in which a run sees them. */
import { checkInteger } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { type Experiment, type ExperimentInput, parseExperiment } from '../core/experiment.js';
import type { Rules } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import { inOrder } from '../core/shuffle.js';
import { tasks } from '../core/tasks.js';
import { createSampler, type Sampler } from '../grammar/sampler.js';
import { modelShape } from '../models/types.js';
import { hostMasks } from './masks.js';
import { drawnFrom, membersOf, plannedSteps } from './members.js';
import { orderOf } from './wiring.js';

export const splits = ['train', 'validation', 'test'] as const;
export type Split = (typeof splits)[number];

export interface SplitOptions {
  split?: Split; // default train
  replica?: number; // default 0
}

export interface BatchOptions extends SplitOptions {
  batch?: number; // sentences per batch; default: the experiment's batch, of which a step takes `accumulate`
  from?: number; // number of the first sentence as the run counts them, across epochs; default 0
  count?: number; // total number of sentences; default: all that the run trains on, or the held-out set
}

export interface Batch {
  first: number; // number of its first sentence
  count: number; // B, sentences; the last batch may be shorter
  tokens: Uint32Array; // [B, s^L], in the order in which they are shown; for the task `mask` as the network reads them, with v in place of masked tokens
  /**
   * Targets: [B] last tokens or root symbols; [B, T - 1] for the task `auto`, the next tokens; [B, T] for `mask`, all tokens
   * used, of which the masked ones count; [B, (s^L - 1) / (s - 1)] for `parse`, the symbols above the tokens, the root first,
   * level by level.
   */
  targets: Uint32Array;
}

/** The source of a split's sentences. */
export interface SplitSource {
  rules: Rules;
  source: Source;
  size: number | undefined; // sentences of the split; undefined: training on fresh ones, without end
  planned: number; // sentences that a run uses, counting every epoch
  labels?: Uint32Array; // labels of your own rows, by row number
}

/** @throws InputError for a replica or a set that the experiment does not have */
export function splitOf(experiment: Experiment, { split = 'train', replica = 0 }: SplitOptions = {}): SplitSource {
  if (!splits.includes(split)) throw new InputError(`split: got ${split}; pass ${splits.join(', ')}`);
  const members = membersOf(experiment);
  checkInteger('replica', replica, 0, members.length - 1, 'of the experiment');
  const member = members[replica];
  const { [split]: source, own } = member;
  const rules = drawnFrom(member, split);
  const { budget, evaluation } = experiment;
  if (split === 'train') {
    const planned = plannedSteps(experiment) * budget.batch * budget.accumulate;
    return { rules, source, size: budget.sentences, planned, labels: own?.train.labels };
  }
  const size = split === 'test' ? evaluation.size : evaluation.validation;
  if (size === undefined)
    throw new InputError('split: the experiment has no validation set; set evaluation.validation to its size');
  return { rules, source, size, planned: size, labels: own?.[split]?.labels };
}

/**
 * The batches of a split, one after the other: batch k of step t has number t * accumulate + k. Each batch has new arrays.
 * @throws InputError naming the option or the field
 */
export async function* batches(input: ExperimentInput, options: BatchOptions = {}): AsyncGenerator<Batch, void, void> {
  const experiment = parseExperiment(input);
  const { rules, source, planned, labels } = splitOf(experiment, options);
  const { batch = experiment.budget.batch, from = 0 } = options;
  checkInteger('batch', batch, 1, 2 ** 24, 'sentences');
  checkInteger('from', from, 0, Number.MAX_SAFE_INTEGER, 'number of the first sentence');
  const count = checkInteger('count', options.count ?? Math.max(0, planned - from), 0, 2 ** 48, 'sentences');
  const sampler = await createSampler(rules, { general: experiment.data !== undefined });
  const masks = hostMasks(experiment, options);
  const order = orderOf(experiment);
  for (let done = 0; done < count; done += batch) {
    const rows = Math.min(batch, count - done);
    const drawn = new Uint32Array(rows * sampler.tokensPerSentence);
    sampler.tokens(source, from + done, rows, drawn);
    const tokens = order ? inOrder(drawn, order) : drawn;
    const targets = targetsIn(experiment, sampler, source, from + done, rows, tokens, labels);
    masks?.hide(from + done, rows, tokens);
    yield { first: from + done, count: rows, tokens, targets };
  }
}

function targetsIn(
  experiment: Experiment,
  sampler: Sampler,
  source: Source,
  first: number,
  rows: number,
  tokens: Uint32Array,
  labels?: Uint32Array,
): Uint32Array {
  const { d, s, firstToken, length, task } = modelShape(experiment);
  const { targets, rows: predictions, targetOffset } = tasks[task];
  const each = predictions?.({ length, s }) ?? 1;
  if (targets === 'hidden') {
    const { symbols } = sampler.trees(source, first, rows);
    const all = sampler.symbolsPerTree;
    return Uint32Array.from({ length: rows * each }, (_, i) => symbols[Math.floor(i / each) * all + (i % each)]);
  }
  if (targets === 'roots') {
    const { symbols } = sampler.trees(source, first, rows);
    const roots = Uint32Array.from({ length: rows }, (_, row) => symbols[row * sampler.symbolsPerTree]);
    return labels ? roots.map((root) => labels[root]) : roots;
  }
  const at = targetOffset({ d, firstToken });
  return Uint32Array.from({ length: rows * each }, (_, i) => tokens[Math.floor(i / each) * d + at + (i % each)]);
}
