/** float64 reference of multi-head self-attention for one sentence. */
import { roundToHalf } from '../core/half.js';

export interface AttentionShape {
  tokens: number; // T
  heads: number; // H
  dim: number; // D, columns per head; C = H D
  causal: boolean;
  scale: number; // factor of q . k
  lastQueryOnly: boolean; // only the query at position T-1: Tq = 1, else Tq = T
  half?: boolean; // weights and their gradients rounded to f16; the caller rounds qkv and dOut
}

/**
 * out = softmax(scale q k^T) v for every head. qkv [T, 3C], q | k | v in the last dimension, with columns hD..(h+1)D of each for
 * head h; out [Tq, C]; logsumexp [H, Tq] of the scaled scores. Overwrites out and logsumexp.
 */
export function attention(
  s: AttentionShape,
  qkv: Float64Array,
  out: Float64Array,
  logsumexp: Float64Array,
  logsumexpHead: number, // distance in elements between heads of logsumexp
): void {
  const channels = s.heads * s.dim;
  const round = s.half ? roundToHalf : (x: number) => x;
  const first = s.lastQueryOnly ? s.tokens - 1 : 0;
  for (let h = 0; h < s.heads; h++)
    for (let query = first; query < s.tokens; query++) {
      const scores = rowScores(s, qkv, h, query);
      const largest = scores.reduce((a, b) => Math.max(a, b));
      let sum = 0;
      for (const x of scores) sum += Math.exp(x - largest);
      logsumexp[h * logsumexpHead + query - first] = largest + Math.log(sum);
      for (let d = 0; d < s.dim; d++) {
        let x = 0;
        scores.forEach((score, key) => {
          x += (round(Math.exp(score - largest)) / sum) * qkv[key * 3 * channels + 2 * channels + h * s.dim + d];
        });
        out[(query - first) * channels + h * s.dim + d] = x;
      }
    }
}

/** Gradient of attention: dQkv [T, 3C] from qkv and dOut [Tq, C]. Overwrites dQkv. */
export function attentionBackward(s: AttentionShape, qkv: Float64Array, dOut: Float64Array, dQkv: Float64Array): void {
  const channels = s.heads * s.dim;
  const row = 3 * channels;
  const round = s.half ? roundToHalf : (x: number) => x;
  const first = s.lastQueryOnly ? s.tokens - 1 : 0;
  dQkv.fill(0, 0, s.tokens * row);
  for (let h = 0; h < s.heads; h++)
    for (let query = first; query < s.tokens; query++) {
      const scores = rowScores(s, qkv, h, query);
      const largest = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((x) => Math.exp(x - largest));
      const sum = weights.reduce((a, b) => a + b);
      const dWeights = weights.map((_, key) => {
        let x = 0;
        for (let d = 0; d < s.dim; d++)
          x += dOut[(query - first) * channels + h * s.dim + d] * qkv[key * row + 2 * channels + h * s.dim + d];
        return x;
      });
      const mean = weights.reduce((a, w, key) => a + (w / sum) * dWeights[key], 0);
      weights.forEach((w, key) => {
        const dScore = round((w / sum) * (dWeights[key] - mean) * s.scale);
        const weight = round(w / sum);
        for (let d = 0; d < s.dim; d++) {
          const at = h * s.dim + d;
          dQkv[query * row + at] += dScore * qkv[key * row + channels + at];
          dQkv[key * row + channels + at] += dScore * qkv[query * row + at];
          dQkv[key * row + 2 * channels + at] += weight * dOut[(query - first) * channels + at];
        }
      });
    }
}

/** Scaled scores of one query with the keys that it can see. */
function rowScores(s: AttentionShape, qkv: Float64Array, h: number, query: number): number[] {
  const channels = s.heads * s.dim;
  const scores: number[] = [];
  for (let key = 0; key < (s.causal ? query + 1 : s.tokens); key++) {
    let x = 0;
    for (let d = 0; d < s.dim; d++)
      x += qkv[query * 3 * channels + h * s.dim + d] * qkv[key * 3 * channels + channels + h * s.dim + d];
    scores.push(x * s.scale);
  }
  return scores;
}
