import { checkInteger, checkSeed } from '../core/check.js';
import { InputError } from '../core/errors.js';
import { checkHasRules, type Rules } from '../core/rules.js';
import { LENGTH_LIMIT, type Source } from '../core/sampleSource.js';
import { streamKey } from '../core/threefry.js';
import { collisionProbability, countDerivations, logDerivations } from './derivations.js';

/** A training set and a test set that are never stored: sources of sentences by number. */
export interface Dataset {
  train: Source;
  validation: Source; // its first `validationSize` sentences are the validation set
  test: Source; // its first `testSize` sentences are the test set
  /** Whether no sentence occurs twice within or across the two sets. */
  distinct: boolean;
  /** If they may: the probability that any does. 0 if distinct; NaN online, where training has no end. */
  collision: number;
}

export interface DatasetOptions {
  sentences?: number; // P, training sentences; absent: online, every batch fresh
  testSize: number;
  validationSize?: number; // default 0
  shuffle?: boolean; // a new order every epoch; default true
}

/**
 * Online data are streams. P sentences are drawn without replacement by a keyed permutation of all derivations, the test set from
 * its far end and the validation set just before that, so that training sets of one seed are nested in P and the other two do not
 * depend on P. Weighted grammars and those with 2^64 derivations or more use the first P sentences of the stream instead;
 * `collision` then says how probable a repetition is. @throws InputError if the sets exceed the derivations.
 */
export function makeDataset(rules: Rules, seed: number, options: DatasetOptions): Dataset {
  checkHasRules(rules);
  checkSeed(seed);
  const { sentences, testSize, validationSize = 0, shuffle = true } = options;
  checkInteger('testSize', testSize, 0, LENGTH_LIMIT - 1, 'test sentences');
  checkInteger('validationSize', validationSize, 0, LENGTH_LIMIT - 1, 'validation sentences');
  const stream = (name: 'data' | 'test' | 'validation'): Source => ({
    mode: 'stream',
    key: streamKey(seed, name),
    size: 0n,
    first: 0,
    length: 0,
  });
  const held = { validation: stream('validation'), test: stream('test') };
  if (sentences === undefined) return { train: stream('data'), ...held, distinct: false, collision: Number.NaN };
  checkInteger('sentences', sentences, 1, LENGTH_LIMIT - 1, 'P, training sentences');
  const orderKey = shuffle ? streamKey(seed, 'order') : undefined;
  if (!canPermute(rules))
    return {
      train: { ...stream('data'), length: sentences, orderKey },
      ...held,
      distinct: false,
      collision: collisionProbability(rules, sentences + validationSize + testSize),
    };
  const all = derivationSource(rules, seed);
  if (BigInt(sentences) + BigInt(validationSize) + BigInt(testSize) > all.size) {
    const validated = validationSize ? `, ${validationSize} to validate on` : '';
    throw new InputError(
      `sentences: ${sentences} to train on${validated} and ${testSize} to test on exceed the grammar's ${all.size} derivations; take fewer`,
    );
  }
  // Numbers stay exact below 2^53; P < 2^31 never reaches 2^52.
  const testFirst = all.size > 2n ** 53n ? 2 ** 52 : Number(all.size) - testSize;
  return {
    train: { ...all, length: sentences, orderKey },
    // Reading beyond the end of a set repeats it, instead of continuing into the rest of the permutation.
    validation: { ...all, first: testFirst - validationSize, length: validationSize },
    test: { ...all, first: testFirst, length: testSize },
    distinct: true,
    collision: 0,
  };
}

/**
 * Whether sentences can be drawn without replacement: all derivations, with and without held-out pairs, are equally probable and
 * fewer than 2^64.
 */
export function canPermute({ heldPairs: _, ...whole }: Rules): boolean {
  return (
    !whole.rootPrior && !whole.ruleProbabilities && logDerivations(whole) < 45 && countDerivations(whole) < 2n ** 64n
  );
}

/** All derivations in a random order without repetition. @throws InputError if that is not possible. */
export function derivationSource(rules: Rules, seed: number): Source {
  if (!canPermute(rules)) {
    const reason =
      rules.rootPrior || rules.ruleProbabilities
        ? 'its rules or roots are weighted'
        : `it has e^${logDerivations(rules).toFixed(1)} derivations, 2^64 or more`;
    throw new InputError(
      `distinct: this grammar cannot be drawn without replacement, since ${reason}; draw with replacement: ` +
        `among 10^6 sentences a repetition has probability ${collisionProbability(rules, 1e6).toPrecision(3)}`,
    );
  }
  return { mode: 'permutation', key: streamKey(seed, 'data', 1), size: countDerivations(rules), first: 0, length: 0 };
}
