/** Brute force over every derivation of a small grammar, written without the message passing that it checks. */
import { parents, type Rules } from '../../src/core/rules.js';
import { rootWeights, ruleWeights } from '../../src/theory/marginals.js';

export function close(got: number, want: number, tolerance: number, what: string) {
  if (!(Math.abs(got - want) <= tolerance))
    throw new Error(`${what}: expected ${want} within ${tolerance}, got ${got} (off by ${got - want})`);
}

/** All sentences below a symbol at `depth`, with their probabilities. */
export function expand(rules: Rules, depth: number, symbol: number): { tokens: number[]; probability: number }[] {
  if (depth === rules.L) return [{ tokens: [symbol], probability: 1 }];
  return rules.rules[depth][symbol].flatMap((tuple, k) => {
    let partial = [{ tokens: [] as number[], probability: ruleWeights(rules, depth)[k] }];
    for (const child of tuple) {
      const below = expand(rules, depth + 1, child);
      partial = partial.flatMap((a) =>
        below.map((b) => ({ tokens: [...a.tokens, ...b.tokens], probability: a.probability * b.probability })),
      );
    }
    return partial;
  });
}

/** Every sentence of the grammar with its probability. */
export function sentences(rules: Rules) {
  return rootWeights(rules).flatMap((p, root) =>
    expand(rules, 0, root).map(({ tokens, probability }) => ({ tokens, probability: p * probability })),
  );
}

export function enumeratePlateaus(rules: Rules): { H: number[]; H_unif: number[] } {
  const H: number[] = [];
  const H_unif: number[] = [];
  const whole = sentences(rules);
  for (let ell = 0; ell <= rules.L; ell++) {
    const span = rules.s ** ell;
    H.push(conditionalEntropy(whole.map(({ tokens, probability }) => ({ tokens: tokens.slice(-span), probability }))));
    const depth = rules.L - ell;
    const count = depth === rules.L ? rules.v : parents(rules, depth);
    const uniform = Array.from({ length: count }, (_, a) => a).flatMap((a) =>
      expand(rules, depth, a).map(({ tokens, probability }) => ({ tokens, probability: probability / count })),
    );
    H_unif.push(conditionalEntropy(uniform));
  }
  return { H, H_unif };
}

/** Entropy of the last token given the others. */
function conditionalEntropy(cases: { tokens: number[]; probability: number }[]): number {
  const joint = new Map<string, number>();
  const context = new Map<string, number>();
  for (const { tokens, probability } of cases) {
    const before = tokens.slice(0, -1).join();
    const all = `${before}|${tokens[tokens.length - 1]}`;
    joint.set(all, (joint.get(all) ?? 0) + probability);
    context.set(before, (context.get(before) ?? 0) + probability);
  }
  let sum = 0;
  for (const [name, p] of joint) if (p > 0) sum -= p * Math.log(p / context.get(name.split('|')[0])!);
  return sum;
}

/** Every derivation tree with its probability: levels[depth] = symbols at that depth. For the smallest grammars only. */
export function expandTree(rules: Rules): { levels: number[][]; probability: number }[] {
  let trees = rootWeights(rules).map((probability, root) => ({ levels: [[root]], probability }));
  for (let depth = 0; depth < rules.L; depth++)
    trees = trees.flatMap((tree) => {
      let rows = [{ row: [] as number[], probability: tree.probability }];
      for (const symbol of tree.levels[depth])
        rows = rows.flatMap(({ row, probability }) =>
          rules.rules[depth][symbol].map((tuple, k) => ({
            row: [...row, ...tuple],
            probability: probability * ruleWeights(rules, depth)[k],
          })),
        );
      return rows.map(({ row, probability }) => ({ levels: [...tree.levels, row], probability }));
    });
  return trees;
}
