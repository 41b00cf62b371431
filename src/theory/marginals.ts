import { checkHasRules, parents, type Rules } from '../core/rules.js';

/** Probabilities of the m rules of each symbol at a depth. */
export function ruleWeights(rules: Rules, depth: number): number[] {
  return rules.ruleProbabilities?.[depth] ?? new Array<number>(rules.m).fill(1 / rules.m);
}

/** Probabilities of the n roots. */
export function rootWeights(rules: Rules): number[] {
  return rules.rootPrior ?? new Array<number>(rules.n).fill(1 / rules.n);
}

/** transitions[depth][i]: Float64Array [parents * v], probability of child symbol c in slot i of parent a at [a * v + c]. */
export function transitions(rules: Rules): Float64Array[][] {
  checkHasRules(rules);
  return rules.rules.map((symbols, l) => {
    const weights = ruleWeights(rules, l);
    return Array.from({ length: rules.s }, (_, i) => {
      const table = new Float64Array(parents(rules, l) * rules.v);
      symbols.forEach((tuples, a) => {
        tuples.forEach((tuple, k) => {
          table[a * rules.v + tuple[i]] += weights[k];
        });
      });
      return table;
    });
  });
}

/** Distribution of every node's symbol: result[depth][position] = Float64Array [n or v]. */
export function marginals(rules: Rules): Float64Array[][] {
  const step = transitions(rules);
  const result: Float64Array[][] = [[Float64Array.from(rootWeights(rules))]];
  for (let l = 0; l < rules.L; l++)
    result.push(result[l].flatMap((prior) => step[l].map((table) => push(prior, table, rules.v))));
  return result;
}

/** prior [A] times table [A, v]. */
export function push(prior: Float64Array, table: Float64Array, v: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(v);
  for (let a = 0; a < prior.length; a++)
    if (prior[a] !== 0) for (let c = 0; c < v; c++) out[c] += prior[a] * table[a * v + c];
  return out;
}
