import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { streamKey } from '../../src/core/threefry.js';
import { UniformStream } from '../../src/core/uniform.js';
import { logLikelihoods, mostProbableTrees, posteriors, sampleTrees } from '../../src/theory/inference.js';
import { lossPlateaus } from '../../src/theory/losses.js';
import { marginals, ruleWeights } from '../../src/theory/marginals.js';
import type { Observation } from '../../src/theory/observations.js';
import { exactLosses } from '../../src/theory/predictor.js';
import { close, expandTree, sentences } from './enumerate.js';

const test = suite('exact inference on the tree');

const random = new UniformStream(streamKey(20, 'measure'));
const uniform = () => (random.word() + 0.5) / 2 ** 32;
const probabilities = (count: number) => {
  const raw = Array.from({ length: count }, uniform);
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((x) => x / sum);
};

/** Sizes with at most some thousand trees. */
const sizes = [
  { v: 4, n: 3, m: 2, s: 2, L: 2 },
  { v: 3, n: 3, m: 3, s: 2, L: 2 },
  { v: 3, n: 2, m: 2, s: 2, L: 3 },
  { v: 3, n: 2, m: 3, s: 3, L: 1 },
  { v: 3, n: 4, m: 2, s: 3, L: 2 },
];

/** A grammar, and observations of one of its trees: tokens, gaps, likelihoods. */
function randomCase(i: number): { rules: Rules; row: Observation[] } {
  const shape = sizes[i % sizes.length];
  const rules = makeRules(shape, i, {
    rootPrior: probabilities(shape.n),
    ruleProbabilities: Array.from({ length: shape.L }, (_, depth) =>
      (i + depth) % 3 ? probabilities(shape.m) : 'uniform',
    ),
  });
  const trees = expandTree(rules);
  const { levels } = trees[random.below(trees.length)];
  const row = levels[shape.L].map((token): Observation => {
    const kind = random.below(3);
    return kind === 0 ? token : kind === 1 ? null : Array.from({ length: shape.v }, uniform);
  });
  return { rules, row };
}

const likelihood = (seen: Observation, token: number) =>
  seen === null || seen === -1 ? 1 : typeof seen === 'number' ? Number(seen === token) : seen[token];

/** The same by summing over every tree. joint: its probability times that of the observations. */
function enumerated(rules: Rules, row: readonly Observation[]) {
  const trees = expandTree(rules).map(({ levels, probability }) => ({
    levels,
    joint: levels[rules.L].reduce((p, token, i) => p * likelihood(row[i], token), probability),
  }));
  const total = trees.reduce((sum, { joint }) => sum + joint, 0);
  const symbols = trees[0].levels.map((level, depth) =>
    level.map(() => new Float64Array(depth === 0 ? rules.n : rules.v)),
  );
  for (const { levels, joint } of trees)
    levels.forEach((level, depth) => {
      level.forEach((symbol, p) => {
        symbols[depth][p][symbol] += joint / total;
      });
    });
  const best = trees.reduce((a, b) => (b.joint > a.joint ? b : a));
  return { total, symbols, best, trees };
}

function sameSymbols(got: readonly Float64Array[], want: readonly Float64Array[][], row: number, what: string) {
  want.forEach((nodes, depth) => {
    const width = nodes[0].length;
    nodes.forEach((node, p) => {
      node.forEach((probability, symbol) => {
        const value = got[depth][(row * nodes.length + p) * width + symbol];
        close(value, probability, 1e-9, `${what}, depth ${depth}, node ${p}, symbol ${symbol}`);
      });
    });
  });
}

test('equal to the sum over all trees: 20 random grammars with random observations', () => {
  for (let i = 0; i < 20; i++) {
    const { rules, row } = randomCase(i);
    const hidden = row.map(() => null);
    const batch = [hidden, row];
    const want = enumerated(rules, row);
    const found = posteriors(rules, batch);
    close(found.logLikelihoods[0], 0, 1e-9, `grammar ${i}: nothing is seen`);
    close(found.logLikelihoods[1], Math.log(want.total), 1e-9, `grammar ${i}: log likelihood`);
    assert.equal(logLikelihoods(rules, batch), found.logLikelihoods);
    sameSymbols(found.symbols, want.symbols, 1, `grammar ${i}`);
    sameSymbols(found.symbols, marginals(rules), 0, `grammar ${i}, hidden`);

    const best = mostProbableTrees(rules, batch);
    close(best.logProbabilities[1], Math.log(want.best.joint), 1e-9, `grammar ${i}: most probable tree`);
    assert.equal(
      best.symbols.map((level, depth) => [...level.subarray(rules.s ** depth)]),
      want.best.levels,
    );
    best.rules.forEach((level, depth) => {
      level.forEach((k, p) => {
        assert.equal(rules.rules[depth][best.symbols[depth][p]][k], [
          ...best.symbols[depth + 1].subarray(p * rules.s, (p + 1) * rules.s),
        ]);
      });
    });
  }
});

test('noise: a token is replaced at the rate by one drawn uniformly', () => {
  for (let i = 0; i < 5; i++) {
    const { rules, row } = randomCase(i);
    const { v } = rules;
    const asLikelihoods = row.map((seen) =>
      typeof seen === 'number' ? Array.from({ length: v }, (_, x) => (x === seen ? 0.7 : 0) + 0.3 / v) : seen,
    );
    const want = enumerated(rules, asLikelihoods);
    const found = posteriors(rules, [row], { noise: 0.3 });
    close(found.logLikelihoods[0], Math.log(want.total), 1e-9, 'log likelihood');
    sameSymbols(found.symbols, want.symbols, 0, 'noise 0.3');
  }
  const { rules, row } = randomCase(2);
  const tokens = row.map((seen) => (typeof seen === 'number' ? seen : 0));
  sameSymbols(posteriors(rules, [tokens], { noise: 1 }).symbols, marginals(rules), 0, 'noise 1 says nothing');
});

test('only the last token hidden: the exact predictor, and H(L) on the mean', () => {
  const rules = makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 5, {
    ruleProbabilities: { zipf: 0.7 },
    rootPrior: [0.5, 0.2, 0.3],
  });
  const all = sentences(rules);
  const d = 8;
  const found = posteriors(
    rules,
    all.map(({ tokens }) => [...tokens.slice(0, -1), -1]),
  );
  let mean = 0;
  all.forEach(({ tokens, probability }, i) => {
    const loss = -Math.log(found.symbols[rules.L][(i * d + d - 1) * rules.v + tokens[d - 1]]);
    close(loss, exactLosses(rules, tokens, 1)[rules.L], 1e-9, `sentence ${i}`);
    mean += probability * loss;
  });
  close(mean, lossPlateaus(rules).H[rules.L], 1e-9, 'H(L)');
});

test('1024 noisy leaves: nothing underflows', () => {
  const rules = makeRules({ v: 32, n: 32, m: 8, s: 2, L: 10 }, 3);
  const levels: number[][] = [[7]];
  for (const depth of rules.rules)
    levels.push(levels[levels.length - 1].flatMap((symbol) => depth[symbol][random.below(rules.m)]));
  const tokens = levels[10];
  const seen = posteriors(rules, [tokens]);
  // A fully visible sentence has one tree: a root of 32, a rule of 8 for each of 1023 symbols.
  close(seen.logLikelihoods[0], -Math.log(32) - 1023 * Math.log(8), 1e-8, 'log probability of a sentence');
  levels.forEach((level, depth) => {
    level.forEach((symbol, p) => {
      close(seen.symbols[depth][p * 32 + symbol], 1, 1e-9, `depth ${depth}, node ${p}`);
    });
  });
  // Each leaf has likelihood 10^-300 or less for all tokens but one: the product is far below the smallest number.
  const tiny = tokens.map((token) => Array.from({ length: 32 }, (_, x) => (x === token ? 1e-300 : 1e-320)));
  const { logLikelihoods: log, symbols } = posteriors(rules, [tiny]);
  close(log[0], -Math.log(32) - 1023 * Math.log(8) + 1024 * Math.log(1e-300), 1e-6, 'log likelihood');
  close(symbols[0][7], 1, 1e-9, 'root');
});

test('evidence that only the next level turns over keeps its weight, however small', () => {
  const rules: Rules = { v: 2, n: 2, m: 1, s: 2, L: 1, rules: [[[[0, 0]], [[1, 1]]]] };
  const row = [
    [1, 1e-200],
    [1e-250, 1e-50],
  ];
  // Both roots have 1e-250.
  const { symbols } = posteriors(rules, [row]);
  close(symbols[0][0], 0.5, 1e-9, 'root');
  const smaller = [
    [1e-300, 1e-200],
    [1e-300, 1e-300],
  ]; // products 1e-600 and 1e-500
  close(posteriors(rules, [smaller]).symbols[0][1], 1, 1e-9, 'products below the smallest number');
});

test('trees are drawn from the posterior', () => {
  const { rules, row } = randomCase(1);
  const { trees, total } = enumerated(rules, row);
  const samples = 20000;
  const drawn = sampleTrees(rules, [row.map(() => null), row], { seed: 4, samples });
  const counts = new Map<string, number>();
  for (let i = samples; i < 2 * samples; i++) {
    const name = drawn.symbols.map((level, depth) => level.subarray(i * 2 ** depth, (i + 1) * 2 ** depth).join());
    counts.set(name.join('|'), (counts.get(name.join('|')) ?? 0) + 1);
  }
  let possible = 0;
  for (const { levels, joint } of trees) {
    const name = levels.map((level) => level.join()).join('|');
    const p = joint / total;
    const seen = (counts.get(name) ?? 0) / samples;
    if (p > 0) possible++;
    close(seen, p, 5 * Math.sqrt((p * (1 - p)) / samples) + 1e-12, name);
    counts.delete(name);
  }
  assert.ok(possible > 3);
  assert.is(counts.size, 0, 'no tree of another grammar');
  const one = sampleTrees(rules, [row], { seed: 4, samples: 3 });
  const first = expandTree(rules).find(({ levels }) =>
    levels.every((level, depth) => level.join() === one.symbols[depth].subarray(0, 2 ** depth).join()),
  )!;
  close(
    one.logProbabilities[0],
    Math.log(first.levels[2].reduce((p, token, i) => p * likelihood(row[i], token), first.probability)),
    1e-9,
    'log probability of a tree that is drawn',
  );
});

test('the weight of a rule counts, an impossible one gives probability 0', () => {
  const shape = { v: 3, n: 2, m: 2, s: 2, L: 1 };
  const rules = makeRules(shape, 1, { ruleProbabilities: [[1, 0]], rootPrior: [0.25, 0.75] });
  close(logLikelihoods(rules, [rules.rules[0][1][0]])[0], Math.log(0.75 * ruleWeights(rules, 0)[0]), 1e-12, 'rule 0');
  assert.throws(() => logLikelihoods(rules, [rules.rules[0][1][1]]), /sentence 0 contradicts the grammar/);
});

test('a contradiction is refused by the number of its sentence, or has likelihood 0', () => {
  const rules: Rules = { v: 2, n: 2, m: 1, s: 2, L: 1, rules: [[[[0, 0]], [[1, 1]]]] };
  const batch = [
    [0, 0],
    [0, 1],
    [null, 1],
  ];
  for (const infer of [logLikelihoods, posteriors, mostProbableTrees, sampleTrees])
    assert.throws(
      () => infer(rules, batch),
      (e: Error) => e.name === 'InputError' && /sentence 1 contradicts/.test(e.message),
    );
  const zero = { contradictions: 'zero' } as const;
  const found = posteriors(rules, batch, zero);
  assert.equal([...found.logLikelihoods], [Math.log(0.5), -Infinity, Math.log(0.5)]);
  assert.equal([...found.symbols[0]], [1, 0, 0, 0, 0, 1]);
  assert.equal([...mostProbableTrees(rules, batch, zero).symbols[0]], [0, -1, 1]);
  assert.equal([...sampleTrees(rules, batch, zero).symbols[1]], [0, 0, -1, -1, 1, 1]);
  assert.is(posteriors(rules, batch, { noise: 0.1 }).count, 3);
});

test('the same from flat arrays: tokens with -1, 64-bit ones, likelihoods', () => {
  const { rules } = randomCase(0);
  const [{ tokens }] = sentences(rules).slice(-1);
  const hidden = [tokens[0], -1, tokens[2], -1];
  const want = posteriors(rules, [[tokens[0], null, tokens[2], null]]);
  const asLikelihoods = hidden.flatMap((token) =>
    Array.from({ length: rules.v }, (_, x) => Number(token < 0 || x === token)),
  );
  assert.equal(posteriors(rules, { shape: [1, 4], data: Int8Array.from(hidden) }), want);
  assert.equal(posteriors(rules, { shape: [1, 4], data: BigInt64Array.from(hidden, BigInt) }), want);
  assert.equal(posteriors(rules, { shape: [1, 4, rules.v], data: Float64Array.from(asLikelihoods) }), want);
  assert.is(posteriors(rules, []).count, 0);
});

test('wrong observations are refused with their place', () => {
  const { rules } = randomCase(0); // v = 4, 4 tokens
  const refused = (input: unknown, message: RegExp, options = {}) =>
    assert.throws(
      () => posteriors(rules, input as never, options),
      (e: Error) => e.name === 'InputError' && message.test(e.message),
    );
  const row = [null, null, null, null];
  refused([row, [0, 1, 4, 0]], /sentence 1, position 2: got 4; pass a token from 0 to v - 1 = 3/);
  refused([row, [0, 1.5, 1, 0]], /sentence 1, position 1: got 1.5/);
  refused([[0, -2, 1, 0]], /position 1: got -2/);
  refused([[0, undefined, 1, 0]], /position 1: got undefined/);
  refused([row, [0, 1, 2]], /sentence 1 has 3 positions/);
  refused([[[1, 1], null, null, null]], /position 0: got 2 likelihoods; pass v = 4/);
  refused([[null, [1, 1, -1, 0], null, null]], /position 1: the likelihood of token 2 is -1/);
  refused([[null, [1, Number.NaN, 1, 0], null, null]], /the likelihood of token 1 is NaN/);
  refused([[null, [1, 1, Infinity, 0], null, null]], /the likelihood of token 2 is Infinity/);
  refused([[null, [0, 0, 0, 0], null, null]], /sentence 0 contradicts/);
  refused({ shape: [1, 3], data: [0, 1, 2] }, /shape is \[1,3\]/);
  refused({ shape: [2, 4], data: [0, 1, 2, 3] }, /needs 8 numbers, there are 4/);
  refused({ shape: [1, 4, 3], data: new Float64Array(12) }, /shape is \[1,4,3\]/);
  refused(null, /got null/);
  refused('0123', /got "0123"/);
  refused([row], /noise: got 1.1/, { noise: 1.1 });
  refused([row], /noise: got NaN/, { noise: Number.NaN });
  refused([row], /contradictions: got "no"/, { contradictions: 'no' });
  assert.throws(() => posteriors({ v: 2 } as never, [row]), /rules: got/);
  assert.throws(() => sampleTrees(rules, [row], { samples: 0 }), /samples/);
  assert.throws(() => sampleTrees(rules, [row], { seed: -1 }), /seed/);
  assert.throws(
    () => sampleTrees(rules, [row], { samples: 2 ** 27 }),
    /observations: the answer would hold .* over the limit/,
  );
  const large = makeRules({ v: 512, n: 1, m: 1, s: 1024, L: 2 }, 1);
  assert.throws(() => posteriors(large, []), /rules: the messages of one sentence are 537395\d\d\d numbers/);
});

test.run();
