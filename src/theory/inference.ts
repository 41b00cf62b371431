/** Exact inference on the tree of a sentence: posteriors of all symbols, given leaves that may be hidden or noisy. */
import { checkInteger, checkSeed } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { checkHasRules, parents, type Rules } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import { UniformStream } from '../core/uniform.js';
import { drawOf, largestOf, TreeMessages } from './messages.js';
import { leavesOf, type Observations } from './observations.js';

export interface InferenceOptions {
  /** Rate at which tokens were replaced before observation by one drawn uniformly from all v. Default 0. */
  noise?: number;
  /**
   * Observations that are impossible under the grammar: refused with an InputError that names the sentence (default), or given
   * log likelihood -Infinity, posteriors 0, and symbols and rules -1.
   */
  contradictions?: 'refuse' | 'zero';
}

export interface Posteriors {
  count: number; // sentences
  logLikelihoods: Float64Array; // [count] nats: log probability of the observations
  /** [L+1] by depth, the root's first: [count, s^depth, n or v], probability of each symbol of each node given the observations. */
  symbols: Float64Array[];
}

/** Trees, one per row. */
export interface InferredTrees {
  count: number; // rows
  logProbabilities: Float64Array; // [count] nats: log probability of the tree together with the observations
  symbols: Int32Array[]; // [L+1] by depth: [count, s^depth]
  rules: Int32Array[]; // [L] by depth: [count, s^depth], number of the rule that expands the symbol
}

export interface SampledTreesOptions extends InferenceOptions {
  seed?: number; // default 0
  /** Trees per sentence. Default 1. */
  samples?: number;
}

const VALUE_LIMIT = 2 ** 28; // numbers in one result: 2 GB

/**
 * Log probabilities of the observations, in nats, [count]: everything hidden is summed over.
 * @throws InputError naming the sentence and the place
 */
export function logLikelihoods(rules: Rules, observations: Observations, options: InferenceOptions = {}): Float64Array {
  const batch = open(rules, observations, options);
  return Float64Array.from({ length: batch.count }, (_, i) => batch.upward(i));
}

/**
 * Posterior of every visible and hidden symbol by belief propagation, exact to rounding, for any prior and rule probabilities.
 * With noise or likelihoods, the posteriors at depth L are those of the true tokens. Source: see `TreeMessages`;
 * arXiv:2402.16991.
 * @throws InputError naming the sentence and the place
 */
export function posteriors(rules: Rules, observations: Observations, options: InferenceOptions = {}): Posteriors {
  const batch = open(rules, observations, options);
  const { count } = batch;
  const sizes = messageSizes(rules);
  checkRoom(sizes, count, 'sentences');
  const logLikelihoods = new Float64Array(count);
  const symbols = sizes.map((size) => new Float64Array(count * size));
  for (let i = 0; i < count; i++) {
    logLikelihoods[i] = batch.upward(i);
    if (logLikelihoods[i] > Number.NEGATIVE_INFINITY) batch.messages.downward(symbols, i);
  }
  return { count, logLikelihoods, symbols };
}

/**
 * The most probable tree of each sentence given its observations (Viterbi, max-product); among equally probable ones the one with
 * the lowest root, then the lowest rules. log p(tree | observations) is logProbabilities[i] less logLikelihoods(...)[i].
 * @throws InputError naming the sentence and the place
 */
export function mostProbableTrees(
  rules: Rules,
  observations: Observations,
  options: InferenceOptions = {},
): InferredTrees {
  const batch = open(rules, observations, options);
  const trees = emptyTrees(rules, batch.count);
  for (let i = 0; i < batch.count; i++)
    if (batch.upward(i, true) > Number.NEGATIVE_INFINITY)
      trees.logProbabilities[i] = batch.messages.trace(trees.symbols, trees.rules, i, largestOf);
  return trees;
}

/**
 * Trees drawn from the posterior, `samples` for each sentence one after the other: row i * samples + j. The trees of sentence i of a
 * seed do not depend on the rest of the batch. @throws InputError naming the sentence and the place
 */
export function sampleTrees(
  rules: Rules,
  observations: Observations,
  options: SampledTreesOptions = {},
): InferredTrees {
  const { seed = 0, samples = 1 } = options;
  checkSeed(seed);
  checkInteger('samples', samples, 1, VALUE_LIMIT, 'trees a sentence');
  const batch = open(rules, observations, options);
  const trees = emptyTrees(rules, batch.count * samples);
  for (let i = 0; i < batch.count; i++) {
    if (batch.upward(i) === Number.NEGATIVE_INFINITY) continue;
    const random = new UniformStream(streamKey(seed, 'posterior', i));
    const choose = drawOf(() => (random.word() + (random.word() + 0.5) / 2 ** 32) / 2 ** 32);
    for (let row = i * samples; row < (i + 1) * samples; row++)
      trees.logProbabilities[row] = batch.messages.trace(trees.symbols, trees.rules, row, choose);
  }
  return trees;
}

/** [L+1] by depth: s^depth nodes times the number of their symbols. */
const messageSizes = (rules: Rules): number[] =>
  Array.from(
    { length: rules.L + 1 },
    (_, depth) => rules.s ** depth * (depth < rules.L ? parents(rules, depth) : rules.v),
  );

function open(rules: Rules, observations: Observations, { noise, contradictions = 'refuse' }: InferenceOptions) {
  checkHasRules(rules);
  if (contradictions !== 'refuse' && contradictions !== 'zero')
    throw new InputError(`contradictions: got ${JSON.stringify(contradictions)}; pass "refuse" or "zero"`);
  const leaves = leavesOf(rules, observations, noise);
  const each = messageSizes(rules).reduce((sum, size) => sum + size, 0);
  if (each > VALUE_LIMIT)
    throw new InputError(
      `rules: the messages of one sentence are ${each} numbers, over the limit of ${VALUE_LIMIT}; take a smaller v, s or L`,
    );
  const messages = new TreeMessages(rules);
  return {
    count: leaves.count,
    messages,
    /** Log probability of the observations of sentence i; with `largest`, of its most probable tree too. */
    upward(i: number, largest = false): number {
      leaves.fill(i, messages.leaves);
      const log = messages.upward(largest);
      if (log === Number.NEGATIVE_INFINITY && contradictions === 'refuse')
        throw new InputError(
          `observations: sentence ${i} contradicts the grammar, no tree of it has these leaves; correct or hide some of them, or give it likelihood 0 by contradictions: 'zero' (--allow-contradictions)`,
        );
      return log;
    },
  };
}

function emptyTrees(rules: Rules, count: number): InferredTrees {
  const sizes = Array.from({ length: rules.L + 1 }, (_, depth) => rules.s ** depth);
  checkRoom(sizes, 2 * count, 'trees');
  const none = (size: number) => new Int32Array(count * size).fill(-1);
  return {
    count,
    logProbabilities: new Float64Array(count).fill(Number.NEGATIVE_INFINITY),
    symbols: sizes.map(none),
    rules: sizes.slice(0, -1).map(none),
  };
}

function checkRoom(sizes: readonly number[], count: number, what: string): void {
  const each = sizes.reduce((sum, size) => sum + size, 0);
  if (each * count > VALUE_LIMIT)
    throw new InputError(
      `observations: the answer would hold ${each * count} numbers, over the limit of ${VALUE_LIMIT}; pass fewer ${what} at a time`,
    );
}
