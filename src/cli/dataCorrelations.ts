/** Correlations with the last token by distance, and n-gram losses, of the user's own rows of tokens. */
import { InputError } from '../core/errors.js';
import { type Rows, rowsOf } from '../core/tokens.js';
import { CovarianceStream, NgramStream, noiseFloor } from '../theory/index.js';
import { readRows } from './ownData.js';

export interface DataFlags {
  data: string;
  test?: string;
  v?: number;
}

const CONTEXT_CELLS = 2 ** 22;
const HELD = 0.1; // of the rows: the last ones are the test set if no test file is given
const VOCABULARY = 2 ** 16;

/** @throws InputError naming the file, the row and the place */
export function dataCorrelations({ data, test, v: given }: DataFlags) {
  const all = rowsOf(readRows(data), given ?? VOCABULARY, data);
  const v = given ?? all.data.reduce((most, token) => Math.max(most, token), 1) + 1;
  const { length } = all;
  const [counted, held] = test === undefined ? cut(all) : [all, rowsOf(readRows(test), v, test)];
  if (counted.count < 32 || held.count < 1 || length < 2)
    throw new InputError(`${data}: ${all.count} rows of ${length} tokens; pass at least 36 rows of at least 2`);
  if (held.length !== length)
    throw new InputError(`${test}: rows of ${held.length} tokens, those of ${data} have ${length}; cut them alike`);
  const levels = Array.from({ length: length - 1 }, (_, position) => length - 1 - position);
  const estimate = new CovarianceStream({ v, width: length - 1, levels });
  estimate.addSentences(counted.data, length, counted.count);
  const contexts = Array.from({ length }, (_, k) => k).filter((k) => v ** (k + 1) <= CONTEXT_CELLS);
  const ngram = new NgramStream(v, contexts);
  ngram.observe(counted.data, length, counted.count);
  const losses = ngram.evaluate(held.data, length, held.count);
  const covariance = estimate.result().map(({ ell, meanSquare, signal }) => ({
    distance: ell,
    meanSquare: meanSquare.value,
    error: meanSquare.error,
    signal: signal.value,
    signalError: signal.error,
  }));
  return {
    v,
    rows: counted.count,
    test: held.count,
    noiseFloor: noiseFloor({ v }, counted.count),
    covariance: covariance.sort((a, b) => a.distance - b.distance),
    ngram: contexts.map((context, i) => ({ context, loss: losses[i].value, error: losses[i].error })),
  };
}

function cut({ count, length, data }: Rows): [counted: Rows, held: Rows] {
  const first = count - Math.ceil(HELD * count);
  return [
    { count: first, length, data: data.slice(0, first * length) },
    { count: count - first, length, data: data.slice(first * length) },
  ];
}

export function dataCorrelationText({
  v,
  rows,
  test,
  noiseFloor,
  covariance,
  ngram,
}: ReturnType<typeof dataCorrelations>): string {
  const cell = (x: number) => x.toExponential(3).padStart(11);
  return [
    `Covariance of the last of ${v} tokens with one before it, mean square over pairs of tokens; noise floor ${noiseFloor.toExponential(3)}`,
    'distance  mean square        error       signal        error',
    ...covariance.map(
      (row) =>
        `${String(row.distance).padStart(8)}  ${cell(row.meanSquare)}  ${cell(row.error)}  ${cell(row.signal)}  ${cell(row.signalError)}`,
    ),
    '',
    `Cross-entropy of the last token of ${test} other rows from counts over ${rows}, nats`,
    ...ngram.map((x) => `  ${x.context} tokens before it: ${x.loss.toFixed(4)} +- ${x.error.toFixed(4)}`),
  ].join('\n');
}
