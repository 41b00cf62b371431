import { DEPTH, DEPTH_WORDS, HEADER } from '../core/grammarImage.js';

interface Sizes {
  batch: number;
  nodes: number;
  classes: number;
  s: number;
  L: number;
  parent: number;
  tuple: number;
  exclusive: number;
}

/**
 * Violations [batch, nodes, 3] of the logic of a grammar by probabilities [batch, nodes, classes], and `factor` times the gradient of
 * their weighted mean; one replica in float64. grammar: its image. See the operation treeLogic.
 */
export function treeLogic(
  { batch, nodes, classes, s, L, parent, tuple, exclusive }: Sizes,
  factor: number,
  grammar: ArrayLike<number>,
  probabilities: Float64Array,
  violations: Float64Array,
  dProbabilities: Float64Array | undefined,
): void {
  const inner = (nodes - 1) / s; // symbols whose children are not tokens
  const m = grammar[HEADER.m];
  violations.fill(0);
  dProbabilities?.fill(0);
  const each = (mean: number) => (mean ? factor / (batch * mean) : 0);
  for (let b = 0; b < batch; b++) {
    for (let depth = 0, first = 0, count = 1; depth < L; depth++, first += count, count *= s)
      for (let place = 0; place < count; place++) {
        const node = b * nodes + first + place;
        const p = probabilities.subarray(node * classes, (node + 1) * classes);
        const d = dProbabilities?.subarray(node * classes, (node + 1) * classes);
        const whole = p.reduce((sum, x) => sum + x, 0);
        violations[node * 3 + 2] = (whole ** 2 - p.reduce((sum, x) => sum + x * x, 0)) / 2;
        if (d) for (let a = 0; a < classes; a++) d[a] += exclusive * each(nodes) * (whole - p[a]);
        if (depth === L - 1) continue;
        const record = HEADER.depths + depth * DEPTH_WORDS;
        const rules = grammar[record + DEPTH.rules];
        const child = (i: number) => (b * nodes + first + count + place * s + i) * classes;
        for (let a = 0; a < classes; a++) {
          let Q = 0;
          for (let k = 0; a < grammar[record + DEPTH.parents] && k < m; k++) {
            const symbols = Array.from({ length: s }, (_, i) => grammar[rules + (a * m + k) * s + i]);
            const product = (without: number) =>
              symbols.reduce((x, c, i) => (i === without ? x : x * probabilities[child(i) + c]), 1);
            Q += product(-1);
            if (dProbabilities)
              for (const [i, c] of symbols.entries())
                dProbabilities[child(i) + c] += each(inner) * (tuple * (1 - p[a]) - parent * p[a]) * product(i);
          }
          violations[node * 3] += p[a] * (1 - Q);
          violations[node * 3 + 1] += Q * (1 - p[a]);
          if (d) d[a] += each(inner) * (parent * (1 - Q) - tuple * Q);
        }
      }
  }
}
