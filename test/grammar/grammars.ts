import { heldLanguage } from '../../src/core/holdout.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { streamKey } from '../../src/core/threefry.js';
import type { TreeChange } from '../../src/core/treeChange.js';

/** Languages with and without held-out pairs: levels from the tokens to the root, numbered by their derivations or not. */
export function heldGrammars(): Rules[] {
  const low = makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 1);
  const odd = makeRules({ v: 7, n: 5, m: 3, s: 3, L: 3 }, 3);
  const large = makeRules({ v: 32, n: 32, m: 8, s: 2, L: 5 }, 2);
  return [
    heldLanguage(low, { level: 2, fraction: 0.25 }, 'without'),
    heldLanguage(low, { level: 3, fraction: 0.5 }, 'with'),
    heldLanguage(odd, { level: 3, fraction: 0.6 }, 'context'),
    heldLanguage(odd, { level: 2, fraction: 0.4 }, 'last'),
    heldLanguage(large, { level: 5, fraction: 0.25 }, 'without'),
    heldLanguage(large, { level: 3, fraction: 0.1 }, 'with'),
  ];
}

/** Twenty grammars of all kinds: powers of two and others, any branching, one rule, dense, large v, weighted rules and roots. */
export function randomGrammars(): Rules[] {
  return [
    makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 1),
    makeRules({ v: 32, n: 32, m: 8, s: 2, L: 5 }, 2),
    makeRules({ v: 7, n: 5, m: 3, s: 2, L: 5 }, 3),
    makeRules({ v: 5, n: 3, m: 2, s: 3, L: 3 }, 4),
    makeRules({ v: 6, n: 6, m: 5, s: 3, L: 2 }, 5),
    makeRules({ v: 4, n: 4, m: 4, s: 2, L: 3 }, 6),
    makeRules({ v: 8, n: 2, m: 8, s: 4, L: 2 }, 7),
    makeRules({ v: 10, n: 10, m: 10, s: 5, L: 2 }, 8),
    makeRules({ v: 300, n: 7, m: 6, s: 2, L: 3 }, 9),
    makeRules({ v: 3, n: 2, m: 1, s: 2, L: 4 }, 10),
    makeRules({ v: 2, n: 1, m: 2, s: 2, L: 6 }, 11),
    makeRules({ v: 9, n: 9, m: 7, s: 2, L: 1 }, 12),
    makeRules({ v: 16, n: 16, m: 4, s: 2, L: 4 }, 13, { ruleProbabilities: { zipf: 1 } }),
    makeRules({ v: 12, n: 4, m: 6, s: 2, L: 3 }, 14, { ruleProbabilities: [null, { zipf: 0.3 }, null] }),
    makeRules({ v: 5, n: 3, m: 3, s: 2, L: 3 }, 15, { rootPrior: [0.2, 0, 0.8] }),
    makeRules({ v: 5, n: 3, m: 3, s: 3, L: 2 }, 16, {
      ruleProbabilities: [
        [0, 1, 0],
        [0.5, 0.25, 0.25],
      ],
    }),
    makeRules({ v: 40, n: 4, m: 40, s: 2, L: 3 }, 17),
    makeRules({ v: 256, n: 256, m: 9, s: 2, L: 2 }, 18),
    makeRules({ v: 11, n: 11, m: 11, s: 6, L: 2 }, 19),
    makeRules({ v: 50, n: 1000, m: 70, s: 3, L: 2 }, 20, {
      ruleProbabilities: [null, { zipf: Number.POSITIVE_INFINITY }],
    }),
  ];
}

/** A few changes to trees of a grammar, at the top, in the middle and at the tokens. */
export function changesFor(rules: Rules, seed: number): TreeChange[] {
  const key = streamKey(seed, 'measure');
  const middle = Math.floor(rules.L / 2);
  const lastOf = (depth: number) => rules.s ** depth - 1;
  const different = rules.m > 1;
  return [
    { kind: 'rule', depth: middle, position: Math.floor(lastOf(middle) / 2), different, key },
    { kind: 'rule', depth: rules.L - 1, position: lastOf(rules.L - 1), different: false, key },
    { kind: 'symbol', depth: middle, position: 0, different: middle > 0 || rules.n > 1, key },
    { kind: 'symbol', depth: rules.L, position: lastOf(rules.L), different: true, key },
    { kind: 'symbol', depth: 0, position: 0, different: false, key },
  ];
}
