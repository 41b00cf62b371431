import { checkInteger } from '../core/check.js';
import { checkHasRules, type Rules, sentenceLength } from '../core/rules.js';
import { marginals, push, ruleWeights, transitions } from './marginals.js';

/**
 * Exact distribution of each token of the context given the symbol at (level, position): p(token j = c | symbol = a) as
 * Float64Array [symbols, s^L, v], where symbols is n at the root and v elsewhere. Tokens below the symbol itself are not part of
 * the context: their rows are 0, as are the rows of symbols that never occur there. level counts from the leaves, 0 for a token.
 * The tuple below a symbol has no other parent, so this is also the distribution given the tuple. @throws InputError
 */
export function contextDistributions(rules: Rules, level: number, position: number): Float64Array {
  checkHasRules(rules);
  const { s, L, v } = rules;
  checkInteger('level', level, 0, L, 'from the leaves');
  checkInteger('position', position, 0, s ** (L - level) - 1, 'of a symbol of the level');
  const step = transitions(rules);
  const prior = marginals(rules);
  const d = sentenceLength(rules);
  const own = prior[L - level][position];
  const symbols = own.length;
  const result = new Float64Array(symbols * d * v);

  /** Tokens below the node at (depth, place), whose distribution given each symbol is `given` [symbols][]. */
  const spread = (depth: number, place: number, given: readonly Float64Array[]) => {
    if (depth === L) {
      for (const [a, row] of given.entries()) result.set(row, (a * d + place) * v);
      return;
    }
    for (const [i, table] of step[depth].entries())
      spread(
        depth + 1,
        place * s + i,
        given.map((row) => push(row, table, v)),
      );
  };

  // Up the path to the root: the symbol on the path and, from it and the rule above it, its siblings, each given the symbol.
  let path = Array.from({ length: symbols }, (_, a) => {
    const row = new Float64Array(symbols);
    row[a] = own[a] > 0 ? 1 : 0;
    return row;
  });
  let place = position;
  for (let depth = L - level - 1; depth >= 0; depth--) {
    const slot = place % s;
    const above = Math.floor(place / s);
    const child = prior[depth + 1][place];
    const parent = prior[depth][above];
    const weights = ruleWeights(rules, depth);
    const next = path.map(() => new Float64Array(parent.length));
    const siblings = Array.from({ length: s }, () => path.map(() => new Float64Array(v)));
    for (const [b, tuples] of rules.rules[depth].entries())
      for (const [k, tuple] of tuples.entries()) {
        const joint = parent[b] * weights[k]; // probability of parent, rule and child
        if (joint === 0) continue;
        for (const [a, row] of path.entries()) {
          const p = (row[tuple[slot]] * joint) / child[tuple[slot]];
          next[a][b] += p;
          for (let i = 0; i < s; i++) siblings[i][a][tuple[i]] += p;
        }
      }
    for (let i = 0; i < s; i++) if (i !== slot) spread(depth + 1, above * s + i, siblings[i]);
    path = next;
    place = above;
  }
  return result;
}
