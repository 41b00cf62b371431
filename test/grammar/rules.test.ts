import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { contentHash } from '../../src/core/canonical.js';
import { InputError } from '../../src/core/errors.js';
import { grammarImage } from '../../src/core/grammarImage.js';
import { parseRules } from '../../src/core/parseRules.js';
import { checkShape, makeRules, type Rules } from '../../src/core/rules.js';
import { threefry } from '../../src/core/threefry.js';
import { UniformStream } from '../../src/core/uniform.js';
import { chiSquare } from './chi.js';
import { randomGrammars } from './grammars.js';

const test = suite('rules');

test('every grammar has its sizes, symbols in range and distinct tuples, and survives JSON', () => {
  for (const rules of randomGrammars()) assert.equal(parseRules(JSON.parse(JSON.stringify(rules))), rules);
});

test('the seed determines the grammar', () => {
  const shape = { v: 9, n: 9, m: 3, s: 2, L: 2 };
  assert.equal(makeRules(shape, 2 ** 40), makeRules(shape, 2 ** 40));
  assert.not.equal(makeRules(shape, 2 ** 40), makeRules(shape, 2 ** 40 + 1));
  assert.not.equal(makeRules(shape, 0), makeRules(shape, 2 ** 32));
});

test('tuple spaces far beyond memory', () => {
  const rules = makeRules({ v: 100, n: 50, m: 20, s: 40, L: 2 }, 3); // 10^80 tuples
  parseRules(rules);
  const counts = new Float64Array(100);
  for (const x of rules.rules.flat(3)) counts[x]++;
  const total = rules.rules.flat(3).length;
  chiSquare(
    counts,
    counts.map(() => total / 100),
    'symbols of tuples',
  );
});

test('tuples are uniform over grammars: which are used, and by which symbol', () => {
  for (const m of [1, 3]) {
    // v = 4, s = 2: 16 tuples, 4 m of them used at each level; sparse and dense ways of drawing.
    const grammars = 4000;
    const byPlace = Array.from({ length: 4 * m }, () => new Float64Array(16));
    for (let seed = 0; seed < grammars; seed++)
      makeRules({ v: 4, n: 4, m, s: 2, L: 1 }, seed)
        .rules[0].flat()
        .forEach(([a, b], place) => {
          byPlace[place][a * 4 + b]++;
        });
    for (const counts of byPlace)
      chiSquare(
        counts,
        counts.map(() => grammars / 16),
        `m=${m}, tuples of one place`,
      );
    // Joint distribution of the first two places: 16 * 15 ordered pairs of different tuples, none twice.
    const joint = new Float64Array(256);
    for (let seed = 0; seed < grammars; seed++) {
      const [[a, b], [c, d]] = makeRules({ v: 4, n: 4, m, s: 2, L: 1 }, seed).rules[0].flat();
      joint[(a * 4 + b) * 16 + c * 4 + d]++;
    }
    const expected = joint.map((_, i) => (Math.floor(i / 16) === i % 16 ? 0 : grammars / 240));
    chiSquare(joint, expected, `m=${m}, pairs`);
  }
});

test('levels of one grammar are independent of one another', () => {
  const same = makeRules({ v: 8, n: 8, m: 2, s: 2, L: 3 }, 5).rules;
  assert.not.equal(same[0], same[1]);
  assert.not.equal(same[1], same[2]);
});

const bad: [string, () => unknown, RegExp][] = [
  ['v*m > v^s', () => makeRules({ v: 4, n: 4, m: 5, s: 2, L: 2 }, 1), /n\*m = 20.*v\^s = 16.*m <= 4/],
  ['m = 0', () => makeRules({ v: 4, n: 4, m: 0, s: 2, L: 2 }, 1), /^m \(production rules per symbol\).*from 1.*got 0/],
  ['s = 1', () => makeRules({ v: 4, n: 4, m: 1, s: 1, L: 2 }, 1), /^s \(branching factor\).*from 2/],
  ['L = 0', () => makeRules({ v: 4, n: 4, m: 1, s: 2, L: 0 }, 1), /^L \(depth\).*from 1/],
  ['fraction', () => makeRules({ v: 4.5, n: 4, m: 1, s: 2, L: 2 }, 1), /^v .*got 4.5/],
  ['NaN', () => makeRules({ v: 4, n: Number.NaN, m: 1, s: 2, L: 2 }, 1), /^n .*got NaN/],
  ['missing', () => checkShape({ v: 4, n: 4, m: 1, s: 2 } as Rules), /^L .*got undefined/],
  ['long sentences', () => makeRules({ v: 4, n: 4, m: 2, s: 4, L: 11 }, 1), /s\^L.*4\^11/],
  ['negative seed', () => makeRules({ v: 4, n: 4, m: 1, s: 2, L: 2 }, -1), /^seed .*got -1/],
  ['fractional seed', () => makeRules({ v: 4, n: 4, m: 1, s: 2, L: 2 }, 0.5), /^seed .*got 0.5/],
  [
    'negative probability',
    () => makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { ruleProbabilities: [-0.5, 1.5] }),
    /ruleProbabilities\[0\]\[0\].*from 0 to 1.*got -0.5/,
  ],
  [
    'sum',
    () => makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { ruleProbabilities: [null, [0.5, 0.6]] }),
    /ruleProbabilities\[1\].*sum to 1.*1.1/,
  ],
  [
    'number of probabilities',
    () => makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { rootPrior: [0.5, 0.5] }),
    /rootPrior: expected 4 probabilities, got 2/,
  ],
  [
    'NaN probability',
    () => makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { ruleProbabilities: [Number.NaN, 1] }),
    /ruleProbabilities\[0\]\[0\].*NaN/,
  ],
  [
    'Zipf exponent',
    () => makeRules({ v: 4, n: 4, m: 2, s: 2, L: 2 }, 1, { ruleProbabilities: { zipf: Number.NaN } }),
    /ruleProbabilities\[0\].*zipf/,
  ],
  [
    'levels of probabilities',
    () => makeRules({ v: 4, n: 4, m: 2, s: 2, L: 3 }, 1, { ruleProbabilities: [null, null] }),
    /ruleProbabilities: expected L = 3 levels, got 2/,
  ],
  [
    'too many random words',
    () => grammarImage(makeRules({ v: 4, n: 4, m: 2, s: 2, L: 18 }, 1, { ruleProbabilities: { zipf: 1 } })),
    /random words/,
  ],
];
for (const [name, work, message] of bad)
  test(`refuses: ${name}`, () => {
    try {
      work();
    } catch (error) {
      assert.instance(error, InputError);
      assert.match((error as Error).message, message);
      return;
    }
    throw new Error('accepted');
  });

// biome-ignore lint/suspicious/noExplicitAny: the edits put wrong types in on purpose
type Loose = any;

test('a rules file names level, symbol and rule of its first fault', () => {
  const good = makeRules({ v: 4, n: 3, m: 2, s: 2, L: 2 }, 1);
  const edit = (change: (x: Loose) => void) => {
    const copy = JSON.parse(JSON.stringify(good));
    change(copy);
    return () => parseRules(copy);
  };
  assert.throws(
    edit((x) => {
      x.rules[1][2][1] = x.rules[1][0][1];
    }),
    /^rules\[1\]\[2\]\[1\]: the tuple .* is already at rules\[1\]\[0\]\[1\]/,
  );
  assert.throws(
    edit((x) => x.rules[1].pop()),
    /^rules\[1\]: expected 4 entries .*got 3/,
  );
  assert.throws(
    edit((x) => x.rules.pop()),
    /^rules: expected 2 entries .*got 1/,
  );
  assert.throws(
    edit((x) => x.rules[0][2].push([0, 0])),
    /^rules\[0\]\[2\]: expected 2 entries .*got 3/,
  );
  assert.throws(
    edit((x) => x.rules[1][3][0].pop()),
    /^rules\[1\]\[3\]\[0\]: expected 2 entries/,
  );
  for (const symbol of [4, -1, 0.5, '1', null])
    assert.throws(
      edit((x) => {
        x.rules[0][1][1][0] = symbol;
      }),
      /^rules\[0\]\[1\]\[1\]\[0\]: expected a symbol from 0 to v-1 = 3/,
    );
  assert.throws(
    edit((x) => {
      x.rules[0] = 7;
    }),
    /^rules\[0\]: expected an array/,
  );
  assert.throws(
    edit((x) => {
      x.rulez = 1;
    }),
    /unknown field "rulez"/,
  );
  assert.throws(() => parseRules([]), /expected an object/);
  assert.throws(() => parseRules(null), /expected an object/);
});

// Seeds name grammars in experiments and papers: these must never change.
for (const [shape, seed, hash] of [
  [{ v: 5, n: 5, m: 2, s: 2, L: 3 }, 1, '3baba13c0be94d54'],
  [{ v: 3, n: 2, m: 3, s: 3, L: 2 }, 7, '77d2bdbf6f351a79'],
  [{ v: 16, n: 16, m: 4, s: 2, L: 4 }, 0, '9953b15f4f759b1b'],
  [{ v: 1000, n: 3, m: 5, s: 4, L: 2 }, 3, '6030af4290d7c677'],
  [{ v: 65536, n: 4, m: 2, s: 3, L: 1 }, 4294967301, 'd052e553b99e4390'],
] as const)
  test(`the grammar of seed ${seed}, ${JSON.stringify(shape)}, has not changed`, async () => {
    assert.is(await contentHash(makeRules(shape, seed)), hash);
  });

test('beyond 2^32 a draw takes two words, the upper one first', () => {
  const key = [7, 11] as const;
  const stream = new UniformStream(key);
  const bound = 2 ** 40 + 1;
  for (let i = 0; i < 20; i++) {
    const [first, second] = threefry(key, i, 0);
    const word = (BigInt(first & 0x1fffff) << 32n) | BigInt(second);
    assert.is(stream.below(bound), Number(word % BigInt(bound)));
  }
});

test('rules too large for memory are refused with their number', () => {
  assert.throws(
    () => makeRules({ v: 65536, n: 65536, m: 500, s: 2, L: 2 }, 1),
    /m: the rules hold more than 16777216 symbols in all; take a smaller v, m or s/,
  );
});

test.run();
