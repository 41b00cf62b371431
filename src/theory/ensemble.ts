import { checkInteger } from '../core/check.js';
import { checkShape, type GrammarShape } from '../core/rules.js';

/**
 * Mean over random grammars of H_unif(ell), ell = 0..L, in nats: E ln(1 + C_ell), where C counts the wrong ancestors (further
 * down: last tokens) still consistent with the context. C_0 = v-1 (n-1 for ell = L), and C_(k+1) given C_k is hypergeometric:
 * population v^s - 1, successes v - 1, draws m - 1 + m C_k. Uniform rules and priors.
 */
export function ensemblePlateaus(shape: GrammarShape): number[] {
  const { v, n, L } = checkShape(shape);
  const steps = consistentCounts(shape);
  return Array.from({ length: L + 1 }, (_, ell) => {
    let distribution = point(ell === L ? n - 1 : v - 1, Math.max(n, v));
    for (let k = 0; k < ell; k++) distribution = steps(distribution);
    return distribution.reduce((sum, p, c) => sum + p * Math.log1p(c), 0);
  });
}

/** Upper bound by the logarithm of the mean count, ln(1 + E C_ell): E C_(k+1) = lambda (E C_k + (m-1)/m). */
export function annealedPlateaus(shape: GrammarShape): number[] {
  const { v, n, m, L } = checkShape(shape);
  const lambda = contraction(shape);
  return Array.from({ length: L + 1 }, (_, ell) => {
    let mean = ell === L ? n - 1 : v - 1;
    for (let k = 0; k < ell; k++) mean = lambda * (mean + (m - 1) / m);
    return Math.log1p(mean);
  });
}

/** lambda = m (v-1) / (v^s - 1), by which the excess loss shrinks from level to level; about f. */
export function contraction({ v, m, s }: GrammarShape): number {
  return (m * (v - 1)) / (v ** s - 1);
}

/** One step of the chain: from the distribution of C_k to that of C_(k+1), both as arrays of probabilities. */
function consistentCounts({ v, n, m, s }: GrammarShape): (distribution: Float64Array) => Float64Array {
  const population = v ** s - 1;
  const rows: (Float64Array | undefined)[] = [];
  return (distribution) => {
    const next = new Float64Array(Math.max(n, v));
    distribution.forEach((p, c) => {
      if (p === 0) return;
      rows[c] ??= hypergeometric(population, v - 1, m - 1 + m * c);
      rows[c].forEach((q, k) => {
        next[k] += p * q;
      });
    });
    return next;
  };
}

/**
 * Probabilities [successes + 1] of k successes. Built from ratios outward from the mode, so that full relative precision is kept
 * for populations far beyond 2^53.
 */
export function hypergeometric(population: number, successes: number, draws: number): Float64Array {
  checkInteger('draws', draws, 0, population);
  const low = Math.max(0, draws - (population - successes));
  const high = Math.min(successes, draws);
  const mode = Math.min(high, Math.max(low, Math.floor(((draws + 1) * (successes + 1)) / (population + 2))));
  const result = new Float64Array(successes + 1);
  const ratio = (k: number) => ((successes - k) / (k + 1)) * ((draws - k) / (population - successes - draws + k + 1));
  result[mode] = 1;
  for (let k = mode; k < high; k++) result[k + 1] = result[k] * ratio(k);
  for (let k = mode; k > low; k--) result[k - 1] = result[k] / ratio(k - 1);
  const sum = result.reduce((a, b) => a + b, 0);
  return result.map((x) => x / sum);
}

function point(at: number, length: number): Float64Array {
  const distribution = new Float64Array(length);
  distribution[at] = 1;
  return distribution;
}
