import { InputError } from '../core/errors.js';
import { checkHasRules, parents, type Rules } from '../core/rules.js';
import { largestOf, TreeMessages } from './messages.js';

/**
 * Labels of all hidden symbols that obey the rules and agree best with given scores: of all trees down to level 1 the one with the largest
 * sum of scores (max-product belief propagation with the scores as evidence at every symbol). scores [count, nodes, classes]: log
 * probabilities, up to a constant per symbol; nodes are the symbols above the tokens, the root first, level by level. Tokens are not used:
 * they alone would determine all symbols, because each tuple has one parent. All rules count equally, whatever their probability. @returns
 * [count, nodes]; @throws InputError
 */
export function consistentTrees(rules: Rules, scores: ArrayLike<number>, count: number, classes: number): Uint32Array {
  checkHasRules(rules);
  const { n, v, s, L } = rules;
  const nodes = (s ** L - 1) / (s - 1);
  if (classes < Math.max(n, L > 1 ? v : 0) || scores.length < count * nodes * classes)
    throw new InputError(
      `consistentTrees: ${scores.length} scores of ${classes} classes for ${count} sentences; pass [count, ${nodes}, ${Math.max(n, v)}]`,
    );
  const labels = new Uint32Array(count * nodes);
  const part = (i: number, node: number, symbols: number, out: Float64Array, at: number) => {
    for (let a = 0; a < symbols; a++) out[at + a] = scores[(i * nodes + node) * classes + a];
  };
  if (L === 1) {
    const root = new Float64Array(n);
    for (let i = 0; i < count; i++) {
      part(i, 0, n, root, 0);
      labels[i] = largestOf(root);
    }
    return labels;
  }
  const hidden: Rules = { ...{ n, v, m: rules.m, s }, L: L - 1, rules: rules.rules.slice(0, -1) };
  const messages = new TreeMessages(hidden);
  const evidence = hidden.rules.map((_, depth) => new Float64Array(s ** depth * parents(hidden, depth)));
  messages.evidence = evidence;
  const symbols = Array.from({ length: L }, (_, depth) => new Int32Array(s ** depth));
  const chosen = hidden.rules.map((_, depth) => new Int32Array(s ** depth));
  for (let i = 0; i < count; i++) {
    let node = 0;
    for (const [depth, out] of [...evidence, messages.leaves].entries()) {
      const each = out.length / s ** depth;
      for (let place = 0; place < s ** depth; place++, node++) part(i, node, each, out, place * each);
    }
    if (!Number.isFinite(messages.upward(true)))
      throw new InputError(
        `consistentTrees: the scores of sentence ${i} are not finite numbers, or rule out every tree`,
      );
    messages.trace(symbols, chosen, 0, largestOf);
    let at = i * nodes;
    for (const row of symbols) {
      labels.set(row, at);
      at += row.length;
    }
  }
  return labels;
}
