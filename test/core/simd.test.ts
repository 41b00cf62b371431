import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EngineError, InputError } from '../../src/core/errors.js';
import { checkSimd, hasRelaxedSimd, isFused, requireSimd } from '../../src/core/simd.js';
import { failure } from '../support/gpu.js';
import { relaxedNode } from '../support/relaxed.js';

const test = suite('relaxed SIMD: the probe');

// Products of two f32 are exact in f64, and these sums are too.
const once = (a: number, b: number, c: number) => Math.fround(a * b + c);
const twice = (a: number, b: number, c: number) => Math.fround(Math.fround(a * b) + c);
const lanes =
  (...of: (typeof once)[]) =>
  (a: Float32Array, b: Float32Array, c: Float32Array) =>
    of.map((f, i) => f(a[i], b[i], c[i]));

test('only lanes that are all rounded once pass', () => {
  assert.ok(isFused(lanes(once, once, once, once)));
  assert.not(isFused(lanes(twice, twice, twice, twice)));
  for (let lane = 0; lane < 4; lane++)
    assert.not(
      isFused(lanes(...[0, 1, 2, 3].map((i) => (i === lane ? twice : once)))),
      `lane ${lane} is rounded twice`,
    );
});

test('Node has it from 22 on, and 20 by an option', async () => {
  const major = Number(process.versions.node.split('.')[0]);
  if (!process.execArgv.includes('--experimental-wasm-relaxed-simd')) assert.is(hasRelaxedSimd(), major >= 22);
  const said = await relaxedNode(['dist/cli.js', 'train', '--simd', 'relaxed', '--set', 'seed=-1']);
  assert.match(said.stderr, /seed/, 'relaxed is not what it refuses');
  assert.not.match(said.stderr, /lacks/);
});

test('missing variants and invalid names are refused with the remedy', async () => {
  assert.is(checkSimd(undefined), undefined);
  assert.is(checkSimd('plain'), 'plain');
  const wrong = await failure(() => checkSimd('avx'));
  assert.instance(wrong, InputError);
  assert.is(wrong.message, 'simd: got "avx"; pass plain or relaxed');
  requireSimd('plain', 'nothing');
  if (hasRelaxedSimd()) return requireSimd('relaxed', 'nothing');
  const lacking = await failure(() => requireSimd('relaxed', 'the run began with'));
  assert.instance(lacking, EngineError);
  assert.match(lacking.message, /^the run began with relaxed SIMD .* which this engine or CPU lacks; use Node 22, /);
});

test.run();
