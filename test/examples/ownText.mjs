/**
 * Data of your own: letters of a real text (the Declaration of Independence, 1776, in the public domain). How far back the letters
 * go that help to predict the next one: n-gram losses compared with a network's, and correlations against distance, which
 * arXiv:2406.00048 measures on text. node ownText.mjs [FILE] [epochs]
 */
import { readFileSync } from 'node:fs';
import { CovarianceStream, lab, NgramStream, noiseFloor } from 'rhm-lab/node';

const [file = new URL('./declaration.txt', import.meta.url), epochs = 12] = process.argv.slice(2);
const symbols = ' abcdefghijklmnopqrstuvwxyz'; // everything else is a space
const text = readFileSync(file, 'utf8')
  .toLowerCase()
  .replace(/[^a-z]+/g, ' ');
const letters = Uint8Array.from(text, (letter) => symbols.indexOf(letter));

/** Every window of T letters, one per row. */
const T = 8;
const windows = (part) => Array.from({ length: part.length - T + 1 }, (_, i) => part.subarray(i, i + T));
const cut = Math.floor(0.85 * letters.length);
const train = windows(letters.subarray(0, cut));
const test = windows(letters.subarray(cut)); // the end of the text, which has not been used
console.log(`${train.length} rows of ${T} letters to train on, ${test.length} to test on`);

const v = symbols.length;
const distances = Array.from({ length: T - 1 }, (_, position) => T - 1 - position);
const covariance = new CovarianceStream({ v, width: T - 1, levels: distances });
covariance.addSentences(
  train.flatMap((row) => [...row]),
  T,
  train.length,
);
console.log(`\ndistance  mean square covariance (noise floor ${noiseFloor({ v }, train.length).toExponential(1)})`);
for (const { ell, signal } of covariance.result().sort((a, b) => a.ell - b.ell))
  console.log(`${String(ell).padStart(8)}  ${signal.value.toExponential(2)} +- ${signal.error.toExponential(1)}`);

const contexts = [0, 1, 2, 3];
const ngram = new NgramStream(v, contexts);
ngram.observe(
  train.flatMap((row) => [...row]),
  T,
  train.length,
);
const losses = ngram.evaluate(
  test.flatMap((row) => [...row]),
  T,
  test.length,
);
console.log('\nloss of the next letter, nats');
for (const n of contexts) console.log(`  counts of ${n} letters before it: ${losses[n].value.toFixed(3)}`);

const run = await lab.train(
  {
    grammar: { v, s: 2, L: 3 }, // the shape of a row, 2^3 letters; no grammar is drawn
    model: { kind: 'mla', channels: 64, heads: 4, depth: 2, residual: true, ratio: 2, norm: 'layer' },
    budget: { batch: 64, epochs: Number(epochs) },
    evaluation: { perDoubling: 1 },
  },
  { data: { train, test }, executor: 'wasm' },
);
const best = Math.min(...run.records.flatMap((r) => (r.type === 'eval' ? [r.loss] : [])));
console.log(`  transformer over ${T - 1} letters: ${best.toFixed(3)} at best, ${run.loss[0].toFixed(3)} at the end`);
