import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseRules } from '../../src/core/parseRules.js';
import { makeRules, type Rules } from '../../src/core/rules.js';
import {
  commonLevel,
  covarianceWithLast,
  meanSquareCovariances,
  refinedMeanSquare,
  rmsCovariances,
  simpleMeanSquare,
} from '../../src/theory/covariance.js';
import { close, expandTree, sentences } from './enumerate.js';

const test = suite('covariances');
const golden = JSON.parse(readFileSync('test/data/grammars.json', 'utf8')).grammars;

test('published grammars: numerators exactly, by propagation and by enumeration', () => {
  for (const grammar of golden) {
    const { v, n, m, s, L, rules, sentences: count } = grammar;
    const parsed = parseRules({ v, n, m, s, L, rules });
    const all = sentences(parsed);
    assert.is(all.length, count);
    for (const [position, numerators] of Object.entries<number[][]>(grammar.covariance_with_last_token_numerators)) {
      const got = covarianceWithLast(parsed, 0, Number(position));
      const joint = new Float64Array(v * v);
      const left = new Float64Array(v);
      const right = new Float64Array(v);
      for (const { tokens } of all) {
        joint[tokens[Number(position)] * v + tokens[tokens.length - 1]]++;
        left[tokens[Number(position)]]++;
        right[tokens[tokens.length - 1]]++;
      }
      for (let a = 0; a < v; a++)
        for (let b = 0; b < v; b++) {
          // Integer numerators over count^2: the float64 result is off by far less than 1/2.
          const scaled = got[a * v + b] * count * count;
          close(scaled, numerators[a][b], 1e-9, `${grammar.name} position ${position} [${a}][${b}]`);
          assert.is(joint[a * v + b] * count - left[a] * right[b], numerators[a][b]);
        }
    }
    const rms = rmsCovariances(parsed);
    for (const [ell, value] of Object.entries<number>(grammar.rms_by_lca_level))
      close(rms[Number(ell)], value, 1e-12, `${grammar.name} rms ${ell}`);
  }
});

test('hidden symbols and weighted rules: propagation equals enumeration of all trees', () => {
  const rules: Rules = makeRules({ v: 4, n: 3, m: 2, s: 2, L: 3 }, 21, {
    ruleProbabilities: [null, { zipf: 0.5 }, [0.9, 0.1]],
    rootPrior: [0.5, 0.3, 0.2],
  });
  const trees = expandTree(rules);
  for (let level = 0; level < 3; level++)
    for (let position = 0; position < 2 ** (3 - level) - 1; position++) {
      const got = covarianceWithLast(rules, level, position);
      for (let a = 0; a < 4; a++)
        for (let b = 0; b < 4; b++) {
          let both = 0;
          let left = 0;
          let right = 0;
          for (const { levels, probability } of trees) {
            const isA = levels[3 - level][position] === a;
            const isB = levels[3][7] === b;
            if (isA && isB) both += probability;
            if (isA) left += probability;
            if (isB) right += probability;
          }
          close(got[a * 4 + b], both - left * right, 1e-14, `level ${level} position ${position} [${a}][${b}]`);
        }
    }
});

test('mean squares by one walk equal those of the single covariances', () => {
  const rules = makeRules({ v: 4, n: 3, m: 2, s: 3, L: 3 }, 22, { ruleProbabilities: [{ zipf: 0 }, null, [0.9, 0.1]] });
  const got = meanSquareCovariances(rules);
  for (let h = 0; h < 3; h++) {
    const squares: number[][] = [[], [], [], []];
    for (let position = 0; position < 3 ** (3 - h) - 1; position++)
      squares[commonLevel(rules, h, position)].push(...covarianceWithLast(rules, h, position).map((x) => x * x));
    for (let ell = h + 1; ell <= 3; ell++) {
      const mean = squares[ell].reduce((a, b) => a + b) / squares[ell].length;
      close(got[h][ell], mean, 1e-13 * mean + 1e-30, `h=${h} ell=${ell}`);
    }
  }
});

test('closed forms: mean over grammars at v=16, m=4, L=4, tokens and hidden symbols', () => {
  const shape = { v: 16, n: 16, m: 4, s: 2, L: 4 };
  const grammars = 40;
  for (let h = 0; h < 3; h++) {
    const squares = Array.from({ length: 5 }, () => [] as number[]);
    for (let seed = 0; seed < grammars; seed++) {
      const rms = rmsCovariances(makeRules(shape, 100 + seed), h);
      for (let ell = h + 1; ell <= 4; ell++) squares[ell].push(rms[ell] ** 2);
    }
    for (let ell = h + 1; ell <= 4; ell++) {
      const mean = squares[ell].reduce((a, b) => a + b) / grammars;
      const deviation = squares[ell].reduce((a, b) => a + (b - mean) ** 2, 0) / (grammars - 1);
      const refined = refinedMeanSquare(shape, ell, h);
      // 2% for the inaccuracy of the refined form, plus 4 standard errors.
      const tolerance = 4 * Math.sqrt(deviation / grammars) + 0.02 * refined;
      close(mean, refined, tolerance, `h=${h} ell=${ell}`);
      // Each of the 2 (ell-1) - h levels changes the simple form by (1 - 1/v) / (1 - 1/v^2), the front by (1 - 1/v)^2.
      const simple = simpleMeanSquare(shape, ell, h);
      const correction = (1 - 1 / 16) ** (2 + 2 * (ell - 1) - h);
      close(refined, simple * correction, 0.35 * refined, `simple h=${h} ell=${ell}`);
    }
  }
});

test('closed forms with fewer roots than symbols: every level within a tenth, the root step far from the form for n = v', () => {
  const shape = { v: 16, n: 4, m: 4, s: 2, L: 3 };
  const grammars = 150;
  for (let ell = 1; ell <= 3; ell++) {
    let mean = 0;
    for (let seed = 0; seed < grammars; seed++) mean += rmsCovariances(makeRules(shape, seed), 0)[ell] ** 2 / grammars;
    close(mean / refinedMeanSquare(shape, ell), 1, 0.1, `ell=${ell}`);
  }
  const step = (n: number) => refinedMeanSquare({ ...shape, n }, 3);
  assert.ok(step(4) > 4 * step(16), 'a quarter of the pairs are in use, each four times as often');
});

test('the refined form becomes the simple one for large v', () => {
  const shape = { v: 4000, n: 4000, m: 8, s: 2, L: 3 };
  for (const [ell, h] of [
    [1, 0],
    [2, 0],
    [2, 1],
    [3, 1],
  ]) {
    // The levels above the ancestor add 1 + g + ..., which the simple form drops.
    const above = [1, 1 + 1 / 8, 1 + 1 / 8 + 1 / 64][shape.L - ell];
    const simple = simpleMeanSquare(shape, ell, h);
    close(refinedMeanSquare(shape, ell, h) / above / simple, 1, 6 / 4000, `ell=${ell} h=${h}`);
  }
});

test('level of the common ancestor', () => {
  const shape = { v: 4, n: 4, m: 2, s: 2, L: 3 };
  assert.equal(
    [0, 1, 2, 3, 4, 5, 6].map((p) => commonLevel(shape, 0, p)),
    [3, 3, 3, 3, 2, 2, 1],
  );
  assert.equal(
    [0, 1, 2].map((p) => commonLevel(shape, 1, p)),
    [3, 3, 2],
  );
});

test.run();
