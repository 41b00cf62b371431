import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules } from '../../src/core/rules.js';
import type { Source } from '../../src/core/sampleSource.js';
import { streamKey, threefry } from '../../src/core/threefry.js';
import { createSampler } from '../../src/grammar/sampler.js';
import { commonLevel, noiseFloor, rmsCovariances } from '../../src/theory/covariance.js';
import { CovarianceStream, NgramStream } from '../../src/theory/empirical.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { close } from './enumerate.js';

const test = suite('empirical statistics');
const stream: Source = { mode: 'stream', key: streamKey(5, 'data'), size: 0n, first: 0, length: 0 };
const shape = { v: 16, n: 16, m: 4, s: 2, L: 4 };
const rules = makeRules(shape, 31);

const levelsOf = (h: number) =>
  Array.from({ length: shape.s ** (shape.L - h) - 1 }, (_, p) => commonLevel(shape, h, p));

test('measured covariances: the exact signal of the grammar plus the noise floor, P = 2^10 .. 2^18', async () => {
  const sampler = await createSampler(rules);
  const exact = rmsCovariances(rules);
  const estimate = new CovarianceStream({ v: 16, width: 15, levels: levelsOf(0) });
  let done = 0;
  for (let power = 10; power <= 18; power += 2) {
    const more = 2 ** power - done;
    const tokens = new Uint8Array(16 * more);
    sampler.tokens(stream, done, more, tokens);
    estimate.addSentences(tokens, 16, more);
    done += more;
    assert.is(estimate.count, 2 ** power);
    for (const { ell, meanSquare, signal } of estimate.result()) {
      const truth = exact[ell] ** 2;
      // Signal: unbiased, so within 4.5 of its standard errors (8 blocks: Student's t with 7 degrees, 3e-3 two-sided).
      close(signal.value, truth, 4.5 * signal.error, `signal ell=${ell} P=2^${power}`);
      // Plain mean square: plus the floor, whose exact value for this grammar's marginals is within a few percent.
      close(
        meanSquare.value,
        truth + noiseFloor(shape, done),
        4.5 * meanSquare.error + 0.1 * noiseFloor(shape, done),
        `ell=${ell} P=2^${power}`,
      );
    }
    // The farthest pairs are pure noise while P is far below P_4.
    const far = estimate.result().find((x) => x.ell === 4)!;
    if (power <= 14) close(far.meanSquare.value / noiseFloor(shape, done), 1, 0.12, `floor at P=2^${power}`);
  }
});

test('tuple-token and hidden-token covariances', async () => {
  const sampler = await createSampler(rules);
  const count = 2 ** 16;
  const { symbols } = sampler.trees(stream, 0, count);
  const last = symbols.subarray(15); // tokens come after the 15 hidden symbols
  for (const h of [1, 2]) {
    const width = 2 ** (4 - h) - 1;
    const estimate = new CovarianceStream({ v: 16, width, levels: levelsOf(h) });
    estimate.add(symbols.subarray(2 ** (4 - h) - 1), 31, last, 31, 15, count);
    const exact = rmsCovariances(rules, h);
    for (const { ell, signal } of estimate.result())
      close(signal.value, exact[ell] ** 2, 4.5 * signal.error, `h=${h} ell=${ell}`);
  }
  // Pairs of tokens as one symbol of v^2: each hidden symbol is spread over its m tuples, so the sum of squares is 1/m as large.
  const tuples = new Uint32Array(7 * count);
  for (let i = 0; i < count; i++)
    for (let p = 0; p < 7; p++) tuples[7 * i + p] = symbols[31 * i + 15 + 2 * p] * 16 + symbols[31 * i + 16 + 2 * p];
  const estimate = new CovarianceStream({ v: 16, left: 256, width: 7, levels: levelsOf(1) });
  estimate.add(tuples, 7, last, 31, 15, count);
  const exact = rmsCovariances(rules, 1);
  // Given the hidden symbol the tuple is uniform over 4 and independent of the rest; 16 of 256 entries per symbol pair.
  for (const { ell, signal } of estimate.result())
    close(signal.value, exact[ell] ** 2 / 4 / 16, 4.5 * signal.error, `tuples ell=${ell}`);
});

test('independent symbols have no signal, and the floor', () => {
  const count = 20_000;
  const rows = new Uint8Array(4 * count);
  for (let i = 0; i < rows.length; i++) rows[i] = threefry([1, 2], i, 0)[0] % 7;
  const estimate = new CovarianceStream({ v: 7, width: 3, levels: [1, 1, 1] });
  estimate.addSentences(rows, 4, count);
  const [{ signal, meanSquare }] = estimate.result();
  close(signal.value, 0, 4.5 * signal.error, 'signal');
  // 3 * 36 degrees of freedom: relative error sqrt(2 / 108).
  close(meanSquare.value / noiseFloor({ v: 7 }, count), 1, 4 * Math.sqrt(2 / 108), 'floor');
});

test('n-gram cross-entropies reach the exact plateaus', async () => {
  const sampler = await createSampler(rules);
  const { H } = lossPlateaus(rules);
  const ngram = new NgramStream(16, [0, 1, 3]);
  const batch = 2 ** 17;
  const tokens = new Uint8Array(16 * batch);
  for (let i = 0; i < 4; i++) {
    sampler.tokens(stream, i * batch, batch, tokens);
    ngram.observe(tokens, 16, batch);
  }
  sampler.tokens({ ...stream, key: streamKey(5, 'test') }, 0, batch, tokens);
  const estimates = ngram.evaluate(tokens, 16, batch);
  // Counts of v^(k+1) cells from 2^19 sentences: the estimation adds an excess of about (v^(k+1) / 2) / 2^19, at most 5% for k =
  // 3.
  for (const [i, allowance] of [1e-4, 1e-3, 0.05].entries()) {
    const { value, error } = estimates[i];
    assert.ok(error > 0 && error < 0.01);
    close(value, H[i] + allowance / 2, allowance / 2 + 4 * error, `context ${[0, 1, 3][i]}`);
  }
});

test('sizes that do not fit are refused', () => {
  assert.throws(() => new NgramStream(32, [7]), /v\^\(7\+1\)/);
  assert.throws(() => new CovarianceStream({ v: 1000, width: 1000, levels: [] }), /counters are over the limit/);
});

test.run();
