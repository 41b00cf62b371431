import { type Rules, shapeOf } from '../core/rules.js';
import { streamKey } from '../core/threefry.js';
import { commonLevel, noiseFloor, refinedMeanSquare, rmsCovariances, simpleMeanSquare } from '../theory/index.js';
import { type Curve, density, grammarKey, shapeName } from './curves.js';
import { groupBy } from './staircase.js';
import { type Estimate, exponential, linearStatistic } from './statistics.js';

/** Root-mean-square covariance of the last token with tokens whose lowest common ancestor with it is at level ell. */
export interface CorrelationRow {
  shape: Curve['shape'];
  ell: number;
  simple: number; // the law of the papers for the ensemble
  refined: number; // with finite-v corrections
  exact: Estimate; // over the grammars of the runs, with an interval of the geometric mean
  empirical: { samples: number; rms: number; floor: number }[]; // from P sampled sentences, and the noise floor at P
  /** P at which the noise floor equals the exact signal. */
  crossing: number;
}

/** Draws `count` sentences; result[i * length + position] = token. */
export type SampleSentences = (rules: Rules, count: number) => Promise<ArrayLike<number>>;

export const CORRELATION_SAMPLES = [1e3, 1e4, 1e5];

/** One row per grammar size and level. Empirical values are those of the first grammar of a size, and need a sampler. */
export async function correlationTable(
  grammars: readonly Rules[],
  sample?: SampleSentences,
): Promise<CorrelationRow[]> {
  const distinct = groupBy(grammars, grammarKey).map(([rules]) => rules);
  const rows: CorrelationRow[] = [];
  for (const group of groupBy(distinct, (r) => shapeName(r))) {
    const shape = shapeOf(group[0]);
    if (density(shape) >= 1) continue;
    const exact = group.map((rules) => rmsCovariances(rules));
    const measured = sample ? await empiricalTables(group[0], sample) : [];
    for (let ell = 1; ell <= shape.L; ell++) {
      const units = exact.map((values) => ({ value: Math.log(values[ell]), bound: 'none' as const }));
      const estimate = exponential(linearStatistic([units], [1]));
      rows.push({
        shape,
        ell,
        simple: Math.sqrt(simpleMeanSquare(shape, ell)),
        refined: Math.sqrt(refinedMeanSquare(shape, ell)),
        exact: estimate,
        empirical: measured.map(({ samples, rms }) => ({
          samples,
          rms: rms[ell],
          floor: Math.sqrt(noiseFloor(shape, samples)),
        })),
        crossing: noiseFloor(shape, 1) / estimate.value ** 2,
      });
    }
  }
  return rows;
}

async function empiricalTables(rules: Rules, sample: SampleSentences): Promise<{ samples: number; rms: number[] }[]> {
  const most = Math.max(...CORRELATION_SAMPLES);
  const tokens = await sample(rules, most);
  return CORRELATION_SAMPLES.map((samples) => ({ samples, rms: empiricalRms(rules, tokens, samples) }));
}

/** result[ell]: rms over token pairs and positions of the covariance measured on the first `count` sentences. */
export function empiricalRms(rules: Rules, tokens: ArrayLike<number>, count: number): number[] {
  const { v, s, L } = rules;
  const length = s ** L;
  const joint = Array.from({ length: length - 1 }, () => new Float64Array(v * v));
  const single = Array.from({ length }, () => new Float64Array(v));
  for (let i = 0; i < count; i++) {
    const last = tokens[(i + 1) * length - 1];
    for (let j = 0; j < length; j++) {
      const token = tokens[i * length + j];
      single[j][token] += 1 / count;
      if (j < length - 1) joint[j][token * v + last] += 1 / count;
    }
  }
  const squares = new Float64Array(L + 1);
  const counts = new Float64Array(L + 1);
  for (let j = 0; j < length - 1; j++) {
    const ell = commonLevel(rules, 0, j);
    for (let a = 0; a < v; a++)
      for (let b = 0; b < v; b++) squares[ell] += (joint[j][a * v + b] - single[j][a] * single[length - 1][b]) ** 2;
    counts[ell] += v * v;
  }
  return Array.from(squares, (x, ell) => (counts[ell] ? Math.sqrt(x / counts[ell]) : 0));
}

/** Sentences from the WebAssembly sampler. */
export const sampleSentences: SampleSentences = async (rules, count) => {
  const { createSampler } = await import('../grammar/sampler.js');
  const sampler = await createSampler(rules);
  const tokens = new Uint32Array(count * rules.s ** rules.L);
  const key = streamKey(0, 'measure', 0xc0);
  sampler.tokens({ mode: 'stream', key, size: 0n, first: 0, length: 0 }, 0, count, tokens);
  return tokens;
};
