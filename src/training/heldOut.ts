import { modelFacts } from '../core/modelFacts.js';
import { type Rules, sentenceLength } from '../core/rules.js';
import type { Source } from '../core/sampleSource.js';
import { evaluatedTask, exactLevel } from '../core/tasks.js';
import { createSampler } from '../grammar/sampler.js';
import { modelShape } from '../models/types.js';
import { judge } from '../theory/heldOut.js';
import { lastTokens } from '../theory/lastToken.js';
import { maskedLosses } from '../theory/masked.js';
import { exactLosses } from '../theory/predictor.js';
import type { TestResult } from './checkpoint.js';
import { type HostMasks, hostMasks } from './masks.js';
import type { Member } from './members.js';

const COUNTED_SENTENCES = 2 ** 23; // above this, repeats are not counted: the table of hashes would exceed 128 MB
const CHUNK = 4096; // sentences sampled at a time

type Described = Pick<TestResult, 'exact' | 'repeats' | 'leaked'>;

/** Context for a test loss: the loss of the exact predictor on the same sentences, and how many of them occur in training. */
export async function describeTestSet(member: Member): Promise<Described> {
  const { experiment, replica, rules, distinct } = member;
  const { budget, evaluation } = experiment;
  const described: Described = {};
  if (experiment.data) return described; // no grammar, so no exact predictor
  const level = exactLevel(evaluatedTask(experiment), rules);
  const masks = hostMasks(experiment, { split: 'test', replica });
  if (masks) {
    if (!member.language.heldPairs) described.exact = await maskedLossOn(member, masks);
  } else if (level !== undefined) described.exact = await exactLossOn(member, evaluation.size, level);
  const P = budget.sentences;
  if (P !== undefined && !distinct && P <= COUNTED_SENTENCES) Object.assign(described, await countRepeats(member, P));
  return described;
}

const lossesOfLanguage = new WeakMap<Rules, Map<string, number>>();

/**
 * Loss in nats of the predictor that knows what the network can learn (the grammar, or its language without held-out pairs) and sees
 * s^level - 1 tokens, on the first `count` sentences of the test set.
 */
async function exactLossOn({ language, test: source }: Member, count: number, level: number): Promise<number> {
  const known = lossesOfLanguage.get(language) ?? new Map<string, number>();
  lossesOfLanguage.set(language, known);
  const key = [source.mode, ...source.key, source.first, source.length, count, level].join();
  let loss = known.get(key);
  if (loss === undefined) {
    loss = 0;
    for await (const { tokens, rows } of chunksOf(language, source, count))
      loss += (lossOn(language, tokens, rows, level) * rows) / count;
    known.set(key, loss);
  }
  return loss;
}

function lossOn(language: Rules, tokens: Uint32Array, rows: number, level: number): number {
  if (!language.heldPairs) return exactLosses(language, tokens, rows)[level];
  const { probabilities } = lastTokens(language, tokens, rows, language.s ** level - 1);
  return judge(probabilities, tokens.subarray(0, rows * sentenceLength(language)), rows).loss;
}

/** The same for the predictor of masked tokens, with the masks of the test set. */
async function maskedLossOn({ experiment, rules, language, test }: Member, masks: HostMasks): Promise<number> {
  const { size } = experiment.evaluation;
  const { length } = modelShape(experiment);
  const { causal } = modelFacts(experiment.model.kind);
  let loss = 0;
  let first = 0;
  for await (const { tokens, rows, d } of chunksOf(language, test, size)) {
    const seen = tokens.slice(0, rows * d);
    masks.hide(first, rows, seen);
    loss += (maskedLosses(rules, tokens, seen, rows, { length, causal })[rules.L] * rows) / size;
    first += rows;
  }
  return loss;
}

async function countRepeats(member: Member, P: number): Promise<Described> {
  const { language, train, test, experiment } = member;
  const seen = new SentenceSet(P);
  let repeats = 0;
  let leaked = 0;
  for await (const { tokens, rows, d } of chunksOf(language, { ...train, length: 0, orderKey: undefined }, P))
    for (let i = 0; i < rows; i++) if (!seen.add(tokens, i * d, d)) repeats++;
  for await (const { tokens, rows, d } of chunksOf(language, test, experiment.evaluation.size))
    for (let i = 0; i < rows; i++) if (seen.has(tokens, i * d, d)) leaked++;
  return { repeats, leaked };
}

/** The first `count` sentences of a source. The array is reused for the next chunk. */
async function* chunksOf(rules: Rules, source: Source, count: number) {
  const sampler = await createSampler(rules);
  const d = sampler.tokensPerSentence;
  const tokens = new Uint32Array(Math.min(CHUNK, count) * d);
  for (let done = 0; done < count; done += CHUNK) {
    const rows = Math.min(CHUNK, count - done);
    sampler.tokens(source, done, rows, tokens.subarray(0, rows * d));
    yield { tokens, rows, d };
  }
}

/** Sentences by a hash of 64 bits: among 2^23 of them the probability of a collision is 2^-19. */
class SentenceSet {
  readonly #slots: Uint32Array; // pairs of words; (0, 0) is free
  readonly #mask: number;

  constructor(most: number) {
    const slots = 2 ** Math.ceil(Math.log2(2 * most + 1));
    this.#mask = slots - 1;
    this.#slots = new Uint32Array(2 * slots);
  }

  /** @returns whether it is new */
  add(tokens: Uint32Array, at: number, length: number): boolean {
    const [low, high] = hash(tokens, at, length);
    const slot = this.#find(low, high);
    if (this.#slots[slot] === low && this.#slots[slot + 1] === high) return false;
    this.#slots[slot] = low;
    this.#slots[slot + 1] = high;
    return true;
  }

  has(tokens: Uint32Array, at: number, length: number): boolean {
    const [low, high] = hash(tokens, at, length);
    return this.#slots[this.#find(low, high)] === low;
  }

  #find(low: number, high: number): number {
    let slot = high & this.#mask;
    for (;;) {
      const at = 2 * slot;
      const [a, b] = [this.#slots[at], this.#slots[at + 1]];
      if ((a === low && b === high) || (a === 0 && b === 0)) return at;
      slot = (slot + 1) & this.#mask;
    }
  }
}

/** Two multiplicative hashes with different odd factors, mixed at the end; never (0, 0). */
function hash(tokens: Uint32Array, at: number, length: number): [number, number] {
  let low = 0x9e3779b9;
  let high = 0x85ebca6b;
  for (let i = 0; i < length; i++) {
    low = Math.imul(low ^ tokens[at + i], 0x01000193);
    low ^= low >>> 15;
    high = Math.imul(high + tokens[at + i] + 1, 0xc2b2ae35);
    high ^= high >>> 13;
  }
  return [(low | 1) >>> 0, high >>> 0];
}
