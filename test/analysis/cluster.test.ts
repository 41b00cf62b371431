import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterCurves, halvesOf } from '../../src/analysis/cluster.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import { rhm } from '../support/run.js';
import { sentences } from '../theory/enumerate.js';

const test = suite('rhm cluster');

/** p(last token | level-1 symbol at a place), by enumerating every sentence: classes of symbols that the last token distinguishes. */
function enumeratedClasses(rules: Rules, places: readonly number[]): number {
  const rows = new Map<number, number[]>();
  for (const { tokens, probability } of sentences(rules))
    places.forEach((place, q) => {
      const pair = tokens.slice(2 * place, 2 * place + 2).join();
      const parent = rules.rules[rules.L - 1].findIndex((tuples) => tuples.some((t) => t.join() === pair));
      const row = rows.get(parent) ?? new Array(places.length * rules.v).fill(0);
      row[q * rules.v + tokens[tokens.length - 1]] += probability;
      rows.set(parent, row);
    });
  const names = [...rows.values()].map((row) =>
    places
      .map((_, q) => {
        const part = row.slice(q * rules.v, (q + 1) * rules.v);
        const sum = part.reduce((a, b) => a + b, 0);
        return sum ? part.map((p) => (p / sum).toFixed(9)).join() : 'never';
      })
      .join(';'),
  );
  return new Set(names).size;
}

test('from all sentences of small grammars it finds what the last token can distinguish, counted by enumeration', async () => {
  for (const [shape, seed] of [
    [{ v: 4, n: 4, m: 2, s: 2, L: 3 }, 1],
    [{ v: 5, n: 5, m: 2, s: 2, L: 3 }, 3],
    [{ v: 6, n: 6, m: 2, s: 2, L: 3 }, 8],
    [{ v: 6, n: 3, m: 2, s: 2, L: 3 }, 9],
  ] as const) {
    const rules = makeRules(shape, seed);
    const all = sentences(rules).length;
    const curves = await clusterCurves(rules, { levels: [2, 3], sentences: [all], draws: 1 });
    for (const { level, form, points, classes, ceiling } of curves) {
      assert.ok(
        Math.abs(points[0].index - 1) < 1e-9,
        `${JSON.stringify(shape)} level ${level} ${form}: ${points[0].index}`,
      );
      assert.ok(ceiling > 0 && ceiling <= 1);
      if (level === 2) assert.is(classes, enumeratedClasses(rules, [2]));
      else if (form === 'raw') assert.is(classes, enumeratedClasses(rules, [0, 1]));
    }
  }
});

test('the ceiling is below 1 if two parents cannot be distinguished, and 1 if all can', async () => {
  // Symbols 0 and 1 of the level above the tokens occur in the same tuples of their parents: the last token cannot distinguish
  // them.
  const rules: Rules = {
    v: 4,
    n: 2,
    m: 2,
    s: 2,
    L: 2,
    rules: [
      [
        [
          [0, 2],
          [1, 2],
        ],
        [
          [2, 3],
          [3, 3],
        ],
      ],
      [
        [
          [0, 1],
          [1, 0],
        ],
        [
          [2, 1],
          [1, 2],
        ],
        [
          [3, 0],
          [0, 2],
        ],
        [
          [3, 3],
          [1, 3],
        ],
      ],
    ],
  };
  const [pooled] = await clusterCurves(rules, { levels: [2], sentences: [8], draws: 1 });
  assert.ok(pooled.ceiling < 1 && pooled.ceiling > 0, String(pooled.ceiling));
  const [other] = await clusterCurves(makeRules({ v: 16, n: 16, m: 3, s: 2, L: 3 }, 1), {
    levels: [2],
    sentences: [64],
  });
  assert.is(other.ceiling, 1);
});

test('v=16: the index rises from 0 to 1, and its half grows with m and with the level', async () => {
  const halves = new Map<string, number>();
  for (const m of [2, 3, 4]) {
    const found = await Promise.all(
      [1, 2, 3].map((seed) => clusterCurves(makeRules({ v: 16, n: 16, m, s: 2, L: 4 }, seed), { draws: 1, seed })),
    );
    for (const [i, { level, form }] of found[0].entries()) {
      const half = halvesOf(found.map((curves) => curves[i]));
      assert.is(half.bound, 'none');
      halves.set(`${m} ${level} ${form}`, half.value);
      const mean = (at: number) => found.reduce((sum, curves) => sum + curves[i].points[at].index, 0) / 3;
      assert.ok(mean(0) < 0.3, `m=${m}: begins at ${mean(0)}`);
      assert.ok(mean(found[0][i].points.length - 1) > 0.85);
    }
  }
  const at = (m: number, level: number, form: string) => halves.get(`${m} ${level} ${form}`)!;
  for (const form of ['pooled', 'raw'])
    for (const level of [2, 3])
      assert.ok(at(2, level, form) < at(3, level, form) && at(3, level, form) < at(4, level, form));
  for (const m of [3, 4]) assert.ok(at(m, 2, 'raw') < at(m, 3, 'pooled') && at(m, 3, 'pooled') < at(m, 3, 'raw'));
  // An earlier measurement on other grammars gave about 1.0k and 5.1k at m = 3, within a factor of 2 for any three grammars.
  assert.ok(
    at(3, 2, 'pooled') > 500 && at(3, 2, 'pooled') < 2000 && at(3, 3, 'pooled') > 2500 && at(3, 3, 'pooled') < 10000,
  );
});

test('the command: index by number of sentences and half, per level and form; bad input by name', async () => {
  const small = ['cluster', '-v', '8', '-m', '2', '-L', '3', '--seed', '2'];
  const { code, stdout } = await rhm([...small, '--sentences', '64,256,900', '--instances', '2', '--json']);
  assert.is(code, 0);
  const found = JSON.parse(stdout);
  assert.is(found.sentences, String(8 * 2 ** 7));
  assert.equal(
    found.levels.map((l: { level: number; form: string }) => `${l.level} ${l.form}`),
    ['2 pooled', '2 raw', '3 pooled', '3 raw'],
  );
  for (const { index, half, bound } of found.levels) {
    assert.equal(
      index.map((p: { sentences: number }) => p.sentences),
      [64, 256, 900],
    );
    assert.ok(half === null ? bound : half > 1);
  }
  for (const [args, message] of [
    [['--levels', '4'], /levels: got 4; pass levels .* from 2 to L = 3/],
    [['--levels', '1'], /levels: got 1/],
    [['--sentences', '2000'], /sentences: got 2000; pass whole numbers from 2 to 1024/],
    [['--sentences', 'x'], /got x; pass whole numbers/],
  ] as const) {
    const refused = await rhm([...small, ...args]);
    assert.is(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, message);
  }
});

test.run();
