import { normalBelow } from '../crossing.js';

const NOTHING_LEFT = 1e-300;

export interface Truncated {
  probability: number; // probability of being between the bounds
  mean: number;
  variance: number;
}

/** Moments of a standard normal number between two bounds, either of which may be infinite. */
export function truncatedNormal(low: number, high: number): Truncated {
  if (low > 0) {
    const { probability, mean, variance } = truncatedNormal(-high, -low); // the lower tail is computed without loss of digits
    return { probability, mean: -mean, variance };
  }
  const probability = below(high) - below(low);
  if (!(probability > NOTHING_LEFT))
    return { probability: NOTHING_LEFT, mean: Number.isFinite(high) ? high : low, variance: 0 };
  const [atLow, atHigh] = [density(low), density(high)];
  const mean = (atLow - atHigh) / probability;
  const moments = (atLow && low * atLow) - (atHigh && high * atHigh);
  const variance = 1 + moments / probability - mean * mean;
  return {
    probability,
    mean: Math.min(high, Math.max(low, mean)),
    variance: Math.min(1, Math.max(0, variance)),
  };
}

const below = (z: number) => (z === -Infinity ? 0 : z === Infinity ? 1 : normalBelow(z));
const density = (z: number) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
